"""The command line: parse, call one function, print (design, section 9)."""
