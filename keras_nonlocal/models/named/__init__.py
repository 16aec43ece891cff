"""The networks by name, one function for each."""
