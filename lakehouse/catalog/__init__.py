"""What the bytes mean: contracts, domains, products, snapshots, pins and locks."""
