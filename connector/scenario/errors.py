"""What keeps a package from being played: said in a sentence, before anything starts."""

from policies.sentences import sentence


class PackageError(Exception):
    """A package, or the folder to play it in, cannot be used: `facts` fill the sentence `scenario.problem.<code>`."""

    def __init__(self, code: str, /, **facts: object) -> None:
        super().__init__(code, facts)
        self.code = code
        self.facts = facts

    def __str__(self) -> str:
        return self.sentence("en")

    def sentence(self, lang: str) -> str:
        return sentence(f"scenario.problem.{self.code}", lang, **self.facts)
