"""The families of conversations, one function each: (draw) -> Sample."""
