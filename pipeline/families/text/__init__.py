"""The family `text`: language models of characters."""
