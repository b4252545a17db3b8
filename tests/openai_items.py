"""What a streamed OpenAI response can put out, as rows of a table: the events of one item, and the item so far and whole.

Source: openai 3.52, `types/responses/response_output_item.py` and `response_stream_event.py`.
"""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Item:
    """An item as it is `added`, the events that follow, and what it is after them and when it is `done`."""

    added: Json
    steps: tuple[tuple[str, Json], ...]
    so_far: Json
    done: Json

    def __repr__(self) -> str:
        return str(self.added["type"])


def item(added: Json, steps: list[tuple[str, Json]], changed: Json, done: Json | None = None) -> Item:
    """Gives an item that its events change so, and that is then done."""
    so_far = {**added, **changed}
    return Item(added, tuple(steps), so_far, {**so_far, **(done or {})})


def searched(kind: str, **more: Any) -> Json:
    return {"id": "ws_1", "type": kind, "status": "in_progress", **more}


DONE = {"status": "completed"}
NOTE = {"type": "url_citation", "url": "https://x.test", "title": "X", "start_index": 0, "end_index": 5}
FILE = {"type": "file_citation", "file_id": "f", "filename": "a.txt", "index": 5}
LOGPROBS = [{"token": token, "logprob": -0.5, "bytes": [1], "top_logprobs": []} for token in ("Hel", "lo")]
TEXT: Json = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
HERE = {"content_index": 0}
MESSAGE: Json = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "in_progress",
    "content": [],
}

ITEMS = [
    item(
        MESSAGE,
        [
            ("content_part.added", {**HERE, "part": TEXT}),
            ("output_text.delta", {**HERE, "delta": "Hel", "logprobs": LOGPROBS[:1]}),
            ("output_text.annotation.added", {**HERE, "annotation_index": 0, "annotation": NOTE}),
            ("output_text.delta", {**HERE, "delta": "lo", "logprobs": LOGPROBS[1:]}),
            ("output_text.annotation.added", {**HERE, "annotation_index": 1, "annotation": FILE}),
        ],
        {"content": [{**TEXT, "text": "Hello", "annotations": [NOTE, FILE], "logprobs": LOGPROBS}]},
        DONE,
    ),
    item(
        MESSAGE,
        [
            ("content_part.added", {**HERE, "part": {"type": "refusal", "refusal": ""}}),
            ("refusal.delta", {**HERE, "delta": "N"}),
            ("refusal.done", {**HERE, "refusal": "No."}),
        ],
        {"content": [{"type": "refusal", "refusal": "No."}]},
        DONE,
    ),
    item(
        {"id": "rs_1", "type": "reasoning", "summary": [], "content": []},
        [
            (
                "reasoning_summary_part.added",
                {"summary_index": 0, "part": {"type": "summary_text", "text": ""}},
            ),
            ("reasoning_summary_text.delta", {"summary_index": 0, "delta": "Sum"}),
            ("reasoning_summary_text.delta", {"summary_index": 0, "delta": "med"}),
            (
                "reasoning_summary_part.done",
                {"summary_index": 0, "part": {"type": "summary_text", "text": "Summed"}},
            ),
            ("content_part.added", {**HERE, "part": {"type": "reasoning_text", "text": ""}}),
            ("reasoning_text.delta", {**HERE, "delta": "Thought"}),
        ],
        {
            "summary": [{"type": "summary_text", "text": "Summed"}],
            "content": [{"type": "reasoning_text", "text": "Thought"}],
        },
        {"encrypted_content": "gAAAA"},
    ),
    item(
        {
            "id": "fc_1",
            "type": "function_call",
            "call_id": "call_1",
            "name": "f",
            "arguments": "",
            "status": "in_progress",
        },
        [
            ("function_call_arguments.delta", {"delta": '{"a"'}),
            ("function_call_arguments.done", {"arguments": '{"a": 1}'}),
        ],
        {"arguments": '{"a": 1}'},
        DONE,
    ),
    item(
        {"id": "ctc_1", "type": "custom_tool_call", "call_id": "call_1", "name": "sh", "input": ""},
        [("custom_tool_call_input.delta", {"delta": "l"}), ("custom_tool_call_input.delta", {"delta": "s"})],
        {"input": "ls"},
    ),
    item(
        searched("web_search_call"),
        [("web_search_call.in_progress", {}), ("web_search_call.searching", {})],
        {"status": "searching"},
        {**DONE, "action": {"type": "search", "query": "fjords"}},
    ),
    item(
        searched("file_search_call", queries=["fjords"], results=None),
        [("file_search_call.searching", {}), ("file_search_call.completed", {})],
        DONE,
        {"results": [{"file_id": "f", "text": "deep", "score": 0.5}]},
    ),
    item(
        searched("code_interpreter_call", code="", container_id="c", outputs=None),
        [
            ("code_interpreter_call_code.delta", {"delta": "2+"}),
            ("code_interpreter_call_code.delta", {"delta": "2"}),
            ("code_interpreter_call.interpreting", {}),
        ],
        {"code": "2+2", "status": "interpreting"},
        {**DONE, "outputs": [{"type": "logs", "logs": "4"}]},
    ),
    item(
        searched(
            "computer_call",
            call_id="call_1",
            action={"type": "click", "x": 1, "y": 2},
            pending_safety_checks=[],
        ),
        [],
        {},
        DONE,
    ),
    item(
        searched("mcp_call", name="f", server_label="s", arguments="", output=None, error=None),
        [
            ("mcp_call.in_progress", {}),
            ("mcp_call_arguments.delta", {"delta": "{"}),
            ("mcp_call_arguments.delta", {"delta": "}"}),
            ("mcp_call.failed", {}),
        ],
        {"arguments": "{}", "status": "failed"},
        {"error": "It failed."},
    ),
    item(
        {"id": "mcpl_1", "type": "mcp_list_tools", "server_label": "s", "tools": []},
        [("mcp_list_tools.in_progress", {}), ("mcp_list_tools.completed", {})],
        {},
        {"tools": [{"name": "f", "input_schema": {}}]},
    ),
    item(
        {
            "id": "mcpr_1",
            "type": "mcp_approval_request",
            "name": "f",
            "server_label": "s",
            "arguments": "{}",
        },
        [],
        {},
    ),
    item(
        searched("image_generation_call", result=None),
        [
            ("image_generation_call.generating", {}),
            (
                "image_generation_call.partial_image",
                {"partial_image_b64": "cGFydA==", "partial_image_index": 0, "output_format": "png"},
            ),
        ],
        {"status": "generating", "partial_image_b64": "cGFydA==", "output_format": "png"},
        {**DONE, "result": "aW1hZ2U="},
    ),
    item(
        searched("shell_call", call_id="call_1", action={"commands": [], "timeout_ms": 9}),
        [
            ("shell_call_command.added", {"command_index": 0, "command": ""}),
            ("shell_call_command.delta", {"command_index": 0, "delta": "l"}),
            ("shell_call_command.delta", {"command_index": 0, "delta": "s"}),
            ("shell_call_command.added", {"command_index": 1, "command": ""}),
            ("shell_call_command.done", {"command_index": 1, "command": "pwd"}),
        ],
        {"action": {"commands": ["ls", "pwd"], "timeout_ms": 9}},
        DONE,
    ),
    item(
        searched("shell_call_output", call_id="call_1", output=[]),
        [
            ("shell_call_output_content.delta", {"command_index": 0, "delta": {"stdout": "a"}}),
            ("shell_call_output_content.delta", {"command_index": 0, "delta": {"stdout": ".py"}}),
            ("shell_call_output_content.delta", {"command_index": 1, "delta": {"stderr": "no"}}),
        ],
        {"output": [{"stdout": "a.py"}, {"stderr": "no"}]},
        {**DONE, "output": [{"stdout": "a.py", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]},
    ),
    item(
        searched("apply_patch_call", call_id="call_1", operation={"type": "delete_file", "path": "a"}),
        [],
        {},
        DONE,
    ),
    item(
        {"id": "cmp_1", "type": "compaction", "encrypted_content": ""},
        [("compaction.compacting", {})],
        {},
        {"encrypted_content": "gAAAA"},
    ),
]
