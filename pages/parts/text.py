"""Text from outside the project, made harmless for the page."""


def plain(text: str) -> str:
    """The text with nothing that Markdown would act on."""
    return "".join("\\" + letter if letter in r"\`*_{}[]()<>#+-.!|$:~&" else letter for letter in text)
