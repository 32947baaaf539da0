"""The exceptions of autointerp.

Every one carries a message of one line that names what was found, what is allowed, and the remedy.

AutointerpError
├── InputError                what the user gave cannot be used (the command line exits with 1)
│   ├── ModelError            a path that is no model, or a model without a needed site
│   ├── DictionaryError       weights missing, truncated, or of another width
│   ├── FeatureError          a feature index out of range
│   ├── CorpusError           text that is missing or too small
│   ├── OrganismError         a network to be made that cannot be: its program, its knobs, or its inputs are at fault
│   ├── AddressError          an --llm that names no provider or model, or whose key is not in the environment
│   └── OutputError           a file or folder that cannot be written
├── LLMError                  a language model that gave no answer, or none that could be used
│   ├── RequestError          refused by the server as it stands: a wrong key, an unknown model; never retried
│   │   └── ContextError      longer than the model's context
│   ├── UnavailableError      no answer within the retries: the server down, overloaded or limiting
│   ├── AnswerError           an answer that is not what was asked for, and is not passed on
│   │   ├── RefusalError      the model declined
│   │   ├── TruncationError   cut off at the limit of tokens
│   │   └── MisfitError       did not fit the wanted type or the tools, also when asked again
│   ├── BudgetError           a request whose worst case would pass the limit: not sent
│   └── ReplayError           a replay that came to a request it has no answer for
├── CacheError                a cached index that is not whole or of another version: rebuilt, never trusted
├── ToolError                 a tool that did not do what it was asked; any other error in a tool is a defect and ends the run
│   ├── RetryWithOther        with other arguments it can: which ones, and what they may be
│   └── Adapt                 not in this model, this dictionary or this corpus, whatever the arguments
├── ProgramError              a program that crashed, ran past its limits, or returned something else than activations
│   └── LimitError            code in a sandbox that passed a limit or broke its worker: its variables are gone
├── SandboxError              a sandbox that cannot work here, or does not hold: it runs nothing
├── TemplateError             a prompt that does not exist, or whose variables are not those that were given
└── PluginError               an unknown or doubly registered plugin name
"""

from __future__ import annotations

__all__ = [
    "Adapt",
    "AddressError",
    "AnswerError",
    "AutointerpError",
    "BudgetError",
    "CacheError",
    "ContextError",
    "CorpusError",
    "DictionaryError",
    "FeatureError",
    "InputError",
    "LLMError",
    "LimitError",
    "MisfitError",
    "ModelError",
    "OrganismError",
    "OutputError",
    "PluginError",
    "ProgramError",
    "RefusalError",
    "ReplayError",
    "RequestError",
    "RetryWithOther",
    "SandboxError",
    "TemplateError",
    "ToolError",
    "TruncationError",
    "UnavailableError",
]


class AutointerpError(Exception):
    """Base of everything that autointerp raises on purpose."""


class InputError(AutointerpError):
    """What the user gave cannot be used; the message says what would be."""


class ModelError(InputError):
    """A path that holds no model, or a model that lacks what was asked of it."""


class DictionaryError(InputError):
    """Dictionary weights that are missing, truncated, or of the wrong width for the model."""


class FeatureError(InputError):
    """A feature index that the dictionary does not have."""


class CorpusError(InputError):
    """Text that is missing, unreadable, or too small for the three splits."""


class OrganismError(InputError):
    """A network of known truth that cannot be made or run as asked; the message gives all the reasons at once."""


class AddressError(InputError):
    """The address of a language model that names no provider or model, or whose key is not in the environment."""


class OutputError(InputError):
    """A file or folder that cannot be written."""


class LLMError(AutointerpError):
    """A language model gave no answer, or none that could be used."""


class RequestError(LLMError):
    """The server refuses the request as it stands, so that sending it again is pointless."""


class ContextError(RequestError):
    """The conversation is longer than the model's context."""


class UnavailableError(LLMError):
    """No answer within the retries: the server is down, overloaded, or limiting the rate."""


class AnswerError(LLMError):
    """An answer came that is not what was asked for; it was paid for and is not passed on."""


class RefusalError(AnswerError):
    """The model declined to answer."""


class TruncationError(AnswerError):
    """The answer was cut off at the limit of tokens."""


class MisfitError(AnswerError):
    """The answer did not fit the wanted type or the tools, also after it was asked for again."""


class BudgetError(LLMError):
    """The worst case of a request would pass the limit of the budget: it was not sent."""


class ReplayError(LLMError):
    """A replay came to a request for which the cache holds no answer."""


class CacheError(AutointerpError):
    """A cached artefact that is incomplete, altered, or written by another version."""


class ToolError(AutointerpError):
    """A tool did not do what it was asked; the message is for whoever asked, language models included."""


class RetryWithOther(ToolError):  # noqa: N818 - it says what to do
    """With other arguments it can be done. `argument` is the one at fault; the message says what it may be."""

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(f"{argument}: {message}")
        self.argument, self.message = argument, message


class Adapt(ToolError):  # noqa: N818 - it says what to do
    """It cannot be done here, whatever the arguments: the model, the dictionary or the corpus lacks what it takes."""


class ProgramError(AutointerpError):
    """Code in a sandbox that failed, or a predictor that did not yield one finite number per token within its limits."""

    #: What the code had printed by then, as far as it is known.
    printed: str = ""


class LimitError(ProgramError):
    """Code in a sandbox passed a limit or broke its worker, which was ended: its session starts again, without variables."""


class SandboxError(AutointerpError):
    """A sandbox that cannot work on this machine, or that does not hold here what it promises; no code is run in it."""


class TemplateError(AutointerpError):
    """A prompt template that does not exist, is malformed, or was given other variables than its own."""


class PluginError(AutointerpError):
    """A plugin name that is unknown, registered twice, or that fails to load."""
