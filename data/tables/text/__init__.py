"""Tables as text: where records and fields begin and end, delimiters, headers, JSON lines."""
