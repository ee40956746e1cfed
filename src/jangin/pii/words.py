"""A list of words, written as prose."""


def words(text: str) -> list[str]:
    return text.split()
