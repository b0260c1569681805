"""The table of fields, a file a group of blocks: {dotted name: Field}. A new field is one line in one of them."""
