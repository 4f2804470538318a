"""One customer or one segment told in words, by a language model or from templates; both say the same kind of thing."""
