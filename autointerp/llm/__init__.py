"""Everything that talks to a language model goes through here: one request type, whoever answers.

Requests pass a cache, a budget and a limiter before they are sent, and answers are checked before they are handed on: what does
not fit the wanted type is asked for again, and what was refused or cut off is an error. This room knows no feature, no
explanation and no prompt: it carries what others write.
"""

from __future__ import annotations

from autointerp.llm._address import Address
from autointerp.llm._answer import Answer, Call, Reply, TokenLogprobs, Usage
from autointerp.llm._capabilities import Capabilities, Capability, Notices
from autointerp.llm._faults import Broken, Dropped, Fault, Limited, Overloaded, Quota, Received, Rejected, Unreached
from autointerp.llm._ledger import Budget, Ledger, Spending
from autointerp.llm._line import Patience
from autointerp.llm._messages import Message, ToolCall, assistant, system, tool_result, user
from autointerp.llm._model import LLM, with_sample
from autointerp.llm._open import LLMs, open_llms
from autointerp.llm._prices import Price, Prices
from autointerp.llm._provider import BatchEndpoint, BatchState, Provider
from autointerp.llm._request import Request, Tool

__all__ = [
    "LLM",
    "Address",
    "Answer",
    "BatchEndpoint",
    "BatchState",
    "Broken",
    "Budget",
    "Call",
    "Capabilities",
    "Capability",
    "Dropped",
    "Fault",
    "LLMs",
    "Ledger",
    "Limited",
    "Message",
    "Notices",
    "Overloaded",
    "Patience",
    "Price",
    "Prices",
    "Provider",
    "Quota",
    "Received",
    "Rejected",
    "Reply",
    "Request",
    "Spending",
    "TokenLogprobs",
    "Tool",
    "ToolCall",
    "Unreached",
    "Usage",
    "assistant",
    "open_llms",
    "system",
    "tool_result",
    "user",
    "with_sample",
]
