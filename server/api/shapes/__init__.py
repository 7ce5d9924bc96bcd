"""What is said of each record. Secrets, keys and tokens have no place in any of them."""
