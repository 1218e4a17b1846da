"""Live rows: checked, durable and visible before a write returns, and sealed into versions later."""
