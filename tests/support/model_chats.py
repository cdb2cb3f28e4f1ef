"""Streams of two more model APIs: Google's generateContent and OpenAI's chat completions."""

import json
from collections.abc import Iterator

TEXT = "Labelled 3 issues."
INPUT, CACHED, OUTPUT = 12, 3, 7


def generate_content() -> Iterator[str]:
    """https://ai.google.dev/api/generate-content"""
    part = {"content": {"role": "model", "parts": [{"text": TEXT}]}, "index": 0}
    usage = {
        "promptTokenCount": INPUT,
        "cachedContentTokenCount": CACHED,
        "candidatesTokenCount": OUTPUT,
        "totalTokenCount": INPUT + OUTPUT,
    }
    whole = {"candidates": [{**part, "finishReason": "STOP"}], "usageMetadata": usage}
    yield f"data: {json.dumps(whole)}\r\n\r\n"


def chat_completion(model: str) -> Iterator[str]:
    """https://platform.openai.com/docs/api-reference/chat-streaming"""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
    delta = {"role": "assistant", "content": TEXT}
    usage = {
        "prompt_tokens": INPUT,
        "prompt_tokens_details": {"cached_tokens": CACHED},
        "completion_tokens": OUTPUT,
        "total_tokens": INPUT + OUTPUT,
    }
    for choices, more in (
        ([{"index": 0, "delta": delta, "finish_reason": None}], {}),
        ([{"index": 0, "delta": {}, "finish_reason": "stop"}], {}),
        ([], {"usage": usage}),
    ):
        yield f"data: {json.dumps({**head, 'choices': choices, **more})}\n\n"
    yield "data: [DONE]\n\n"
