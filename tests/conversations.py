"""One side of a conversation with a model that asks for tools, over each API: what agents in tests are made of.

A *script* is what the model says: lists of tool calls (id, name, arguments), and at last nothing.
"""

import json
from typing import Any

from tests.apis import ASKED, CHAT, MESSAGES, RESPONSES, Api
from tests.loopback.provider import ProviderServer

Asked = list[tuple[str, str, dict[str, Any]]]

_CALLED = {"type": "object", "properties": {}}
_OFFERED: dict[str, Any] = {
    CHAT.name: [{"type": "function", "function": {"name": "search", "strict": True, "parameters": _CALLED}}],
    RESPONSES.name: [{"type": "function", "name": "search", "parameters": _CALLED}],
    MESSAGES.name: [{"name": "search", "input_schema": _CALLED}],
}


def script(provider: ProviderServer, api: Api, *asked: Asked, streamed: bool = False) -> None:
    """Has the provider ask for these tools, answer after answer, and then say that it is done."""
    build = api.streamed if streamed else api.whole
    told = [[(call_id, name, json.dumps(arguments)) for call_id, name, arguments in one] for one in asked]
    provider.reply(*(build(tool_calls=one) for one in told), build(["Done."]) if streamed else build("Done."))


class Conversation:
    """What an agent says and hears; `way` is how it reads an answer: whole, streamed, or with the SDK's helper."""

    def __init__(self, client: Any, api: Api = CHAT, way: str = "whole") -> None:
        self.client = client
        self.api = api
        self.way = way
        self.said = list(ASKED)
        self.given = {**api.given, "tools": _OFFERED[api.name]}
        self.where = "input" if api is RESPONSES else "messages"

    @property
    def _request(self) -> dict[str, Any]:
        return {**self.given, self.where: self.said}

    def ask(self) -> Asked:
        resource = self.api.resource(self.client)
        if self.way == "whole":
            return self._hear(resource.create(**self._request))
        if self.way == "parsed":
            return self._hear(resource.parse(**self._request))
        if self.way == "raw":
            return self._hear(resource.with_raw_response.create(**self._request).parse())
        if self.way == "streamed":
            return self._put_together(list(resource.create(**self._request, stream=True)))
        with resource.stream(**self._request) as stream:
            for _ in stream:
                pass
            return self._hear(getattr(stream, self.api.final)())

    async def aask(self) -> Asked:
        resource = self.api.resource(self.client)
        if self.way == "whole":
            return self._hear(await resource.create(**self._request))
        if self.way == "streamed":
            stream = await resource.create(**self._request, stream=True)
            return self._put_together([chunk async for chunk in stream])
        async with resource.stream(**self._request) as stream:
            async for _ in stream:
                pass
            return self._hear(await getattr(stream, self.api.final)())

    def bring(self, call_id: str, result: Any) -> None:
        if self.api is CHAT:
            self.said.append({"role": "tool", "tool_call_id": call_id, "content": str(result)})
        elif self.api is RESPONSES:
            self.said.append({"type": "function_call_output", "call_id": call_id, "output": str(result)})
        else:
            block = {"type": "tool_result", "tool_use_id": call_id, "content": str(result)}
            if self.said[-1]["role"] == "user":
                self.said[-1]["content"].append(block)
            else:
                self.said.append({"role": "user", "content": [block]})

    def _hear(self, answer: Any) -> Asked:
        if self.api is CHAT:
            message = answer.choices[0].message
            return self._heard_in_chat(
                [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ()]
            )
        if self.api is RESPONSES:
            calls = [item for item in answer.output if item.type == "function_call"]
            keep = ("type", "call_id", "name", "arguments")
            self.said += [{name: getattr(item, name) for name in keep} for item in calls]
            return [(item.call_id, item.name, json.loads(item.arguments)) for item in calls]
        blocks = [block for block in answer.content if block.type == "tool_use"]
        self.said.append({"role": "assistant", "content": [block.model_dump() for block in answer.content]})
        return [(block.id, block.name, block.input) for block in blocks]

    def _heard_in_chat(self, calls: list[tuple[str, str, str]]) -> Asked:
        told = [
            {"id": one, "type": "function", "function": {"name": name, "arguments": given}}
            for one, name, given in calls
        ]
        self.said.append({"role": "assistant", "content": None if told else "Done.", "tool_calls": told})
        return [(one, name, json.loads(given)) for one, name, given in calls]

    def _put_together(self, chunks: list[Any]) -> Asked:
        """Reads a stream as an application does that has nobody to do it."""
        if self.api is RESPONSES:
            return self._hear(chunks[-1].response)
        if self.api is CHAT:
            calls: dict[int, list[str]] = {}
            for chunk in chunks:
                for call in chunk.choices[0].delta.tool_calls or ():
                    known = calls.setdefault(call.index, [call.id, call.function.name, ""])
                    known[2] += call.function.arguments or ""
            return self._heard_in_chat([(one, name, given) for one, name, given in calls.values()])
        blocks: dict[int, dict[str, Any]] = {}
        for event in chunks:
            if event.type == "content_block_start":
                blocks[event.index] = {**event.content_block.model_dump(exclude_none=True), "told": ""}
            elif event.type == "content_block_delta":
                if event.delta.type == "input_json_delta":
                    blocks[event.index]["told"] += event.delta.partial_json
                else:
                    blocks[event.index]["text"] += event.delta.text
        asked: Asked = []
        for block in blocks.values():
            told = block.pop("told")
            if block["type"] == "tool_use":
                block["input"] = json.loads(told or "{}")
                asked.append((block["id"], block["name"], block["input"]))
        self.said.append({"role": "assistant", "content": list(blocks.values())})
        return asked
