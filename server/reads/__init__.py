"""What pages and the API tell alike: read in a bounded number of queries, each thing with its page."""
