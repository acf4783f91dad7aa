"""Tables: rows of named columns from CSV, TSV, JSONL and Parquet files, as strings."""
