"""Lists of words, written as prose."""


def words(text: str) -> list[str]:
    return text.split()


def phrases(text: str) -> list[str]:
    """What stands between commas."""
    return [" ".join(part.split()) for part in text.split(",")]
