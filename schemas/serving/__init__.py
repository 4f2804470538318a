"""What is served: which rows, under which keys, in which form. Shared by what writes them and what reads them."""
