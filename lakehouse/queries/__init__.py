"""Ways out: scans, results, SQL, named queries."""
