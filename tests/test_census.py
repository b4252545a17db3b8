"""Every public method of the newest SDKs is traced, or listed here with the reason why it is not.

A method that an SDK grows fails this test until somebody has looked at it.
"""

import re
import textwrap
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from types import ModuleType

import anthropic
import openai
import pytest

import bttrace.providers.anthropic
import bttrace.providers.openai
from bttrace.seams.routes import Routes
from tests.census import Method, Request, methods

SDKS = {
    openai: bttrace.providers.openai.PROVIDER,
    anthropic: bttrace.providers.anthropic.PROVIDER,
}
LOCK = Path(__file__).parents[1] / "requirements.lock"

ALL = "get post put patch"
ADMINISTRATION = "administration of the organisation: no model is asked"
HOSTED = "agents that the provider hosts: they run, and are metered, there"
STORED = "reads, writes or relabels what is stored: no model is asked"
TOOLS = "keeps, and finds, what a tool of the provider's reads: no model answers"
STOPPED = "stops work that was begun: no model is asked"
SESSIONS = "sets up or ends a session, whose talk is a websocket, WebRTC or a telephone call, not HTTP"
WEBSOCKET = "a websocket without responses that begin and end, which is not watched"
RECEIVED = "reads what the provider sent by itself: no request is made"


@dataclass(frozen=True)
class Untraced:
    """Requests, or methods without any of their own, that are not traced.

    `where` is a path, with all below it if it ends with `/*`; without a slash it is the name of a method, as a pattern.
    """

    sdk: ModuleType
    verbs: str
    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.sdk.__name__} {self.verbs} {self.where}".replace("  ", " ")

    def covers(self, sdk: ModuleType, request: Request) -> bool:
        verb, path = request
        if sdk is not self.sdk or verb not in self.verbs.split():
            return False
        area = self.where.removesuffix("/*")
        return path == area or (area != self.where and path.startswith(area + "/"))

    def names(self, sdk: ModuleType, method: Method) -> bool:
        return sdk is self.sdk and "/" not in self.where and fnmatchcase(method.name, self.where)


UNTRACED = (
    *(Untraced(sdk, "delete", "/*", "deletes what is stored: no model is asked") for sdk in SDKS),
    *(Untraced(sdk, "list", "/*", "reads what is stored, page by page: no model is asked") for sdk in SDKS),
    # What both providers administer, store and host.
    Untraced(openai, ALL, "/organization/*", ADMINISTRATION),
    Untraced(openai, ALL, "/projects/*", ADMINISTRATION),
    Untraced(openai, ALL, "/webhook_endpoints/*", ADMINISTRATION),
    Untraced(openai, ALL, "/webhook_event_types", ADMINISTRATION),
    Untraced(openai, ALL, "/safety/*", ADMINISTRATION),
    Untraced(anthropic, ALL, "/v1/organizations/*", ADMINISTRATION),
    Untraced(anthropic, ALL, "/v1/user_profiles/*", ADMINISTRATION),
    Untraced(anthropic, ALL, "/v1/tunnels/*", ADMINISTRATION),
    Untraced(openai, ALL, "/models/*", STORED),
    Untraced(openai, ALL, "/files/*", STORED),
    Untraced(openai, ALL, "/uploads/*", STORED),
    Untraced(openai, ALL, "/vaults/*", STORED),
    Untraced(openai, ALL, "/skills/*", STORED),
    Untraced(openai, ALL, "/containers/*", TOOLS),
    Untraced(openai, ALL, "/vector_stores/*", TOOLS),
    Untraced(anthropic, ALL, "/v1/models/*", STORED),
    Untraced(anthropic, ALL, "/v1/files/*", STORED),
    Untraced(anthropic, ALL, "/v1/vaults/*", STORED),
    Untraced(anthropic, ALL, "/v1/skills/*", STORED),
    Untraced(anthropic, ALL, "/v1/memory_stores/*", TOOLS),
    Untraced(openai, ALL, "/agents/*", HOSTED),
    Untraced(openai, "", "beta.agents.*", HOSTED),
    Untraced(openai, ALL, "/chatkit/*", HOSTED),
    Untraced(anthropic, ALL, "/v1/agents/*", HOSTED),
    Untraced(anthropic, ALL, "/v1/sessions/*", HOSTED),
    Untraced(anthropic, ALL, "/v1/environments/*", HOSTED),
    Untraced(anthropic, ALL, "/v1/deployments/*", HOSTED),
    Untraced(anthropic, ALL, "/v1/deployment_runs/*", HOSTED),
    Untraced(anthropic, ALL, "/v1/dreams/*", HOSTED),
    Untraced(anthropic, "", "beta.environments.work.poller", HOSTED),
    Untraced(anthropic, "", "beta.sessions.events.tool_runner", HOSTED),
    # What stands beside endpoints that are traced.
    Untraced(openai, "get post", "/chat/completions/{completion_id}", STORED),
    Untraced(openai, ALL, "/conversations/*", STORED),
    Untraced(openai, ALL, "/assistants/*", STORED),
    Untraced(openai, "post", "/threads", STORED),
    Untraced(openai, "get post", "/threads/{thread_id}", STORED),
    Untraced(openai, "post", "/threads/{thread_id}/messages", STORED),
    Untraced(openai, "get post", "/threads/{thread_id}/messages/{message_id}", STORED),
    Untraced(openai, "post", "/threads/{thread_id}/runs/{run_id}", STORED),
    Untraced(openai, "get", "/threads/{thread_id}/runs/{run_id}/steps/{step_id}", STORED),
    Untraced(openai, "post", "/threads/{thread_id}/runs/{run_id}/cancel", STOPPED),
    Untraced(openai, "post", "/batches/{batch_id}/cancel", STOPPED),
    Untraced(anthropic, "post", "/v1/messages/batches/{message_batch_id}/cancel", STOPPED),
    Untraced(openai, "get", "/videos/{video_id}/content", STORED),
    Untraced(openai, ALL, "/videos/characters/*", STORED),
    Untraced(openai, ALL, "/audio/voices/*", STORED),
    Untraced(openai, ALL, "/audio/voice_consents/*", STORED),
    Untraced(
        openai, "post", "/content_provenance_checks", "looks for the provider's watermark: no model is asked"
    ),
    Untraced(openai, ALL, "/fine_tuning/*", "training, and grading for it, that the provider runs"),
    Untraced(openai, ALL, "/evals/*", "evaluations that the provider runs"),
    # What is not asked over HTTP.
    Untraced(openai, ALL, "/realtime/*", SESSIONS),
    Untraced(openai, ALL, "/live/*", SESSIONS),
    Untraced(openai, "", "realtime.translations.connect", WEBSOCKET),
    Untraced(openai, "", "live.*connect", WEBSOCKET),
    Untraced(openai, "", "webhooks.*", RECEIVED),
    Untraced(anthropic, "", "beta.webhooks.*", RECEIVED),
)


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


@cache
def census(sdk: ModuleType) -> list[Method]:
    """Gives the methods of an SDK that is as new as the one this project is locked to, or newer; skips of an older one."""
    name, installed = sdk.__name__, sdk.__version__
    (locked,) = re.findall(rf"^{name}==(\S+)", LOCK.read_text(), re.MULTILINE)
    if numbers(installed) < numbers(locked):
        pytest.skip(f"the census is of {name} {locked}, and {installed} is installed")
    return methods(Path(str(sdk.__file__)).parent)


def traced(sdk: ModuleType, request: Request) -> bool:
    return Routes(SDKS[sdk].endpoints).endpoint(*request) is not None


def connects(sdk: ModuleType, method: Method) -> bool:
    """Tells whether a method opens a connection that is watched: the classes' module is the method's resource."""
    resources = f"{sdk.__name__}.resources."
    modules = [module for row in SDKS[sdk].connections for module in row.classes]
    return method.name in [
        f"{module.removeprefix(resources).rpartition('.')[0]}.connect" for module in modules
    ]


def reasons(sdk: ModuleType, method: Method, table: tuple[Untraced, ...]) -> dict[str, list[Untraced]]:
    """Gives what a method does that is not traced, and the entries that say why."""
    if connects(sdk, method):
        return {}
    if not method.requests:
        return {str(method): [entry for entry in table if entry.names(sdk, method)]}
    return {
        f"{method} ({' '.join(request)})": [entry for entry in table if entry.covers(sdk, request)]
        for request in method.requests
        if not traced(sdk, request)
    }


def test_of_an_older_sdk_there_is_no_census() -> None:
    old = ModuleType("openai")
    old.__dict__.update(__version__="1.109.1", __file__=openai.__file__)
    with pytest.raises(pytest.skip.Exception, match=r"and 1\.109\.1 is installed"):
        census(old)


each_sdk = pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: str(sdk.__name__))


@each_sdk
def test_every_method_is_traced_or_has_one_reason(sdk: ModuleType) -> None:
    unexplained = {
        what: [str(entry) for entry in entries]
        for method in census(sdk)
        for what, entries in reasons(sdk, method, UNTRACED).items()
        if len(entries) != 1
    }
    assert unexplained == {}


@pytest.mark.parametrize("entry", UNTRACED, ids=str)
def test_every_entry_is_of_use(entry: Untraced) -> None:
    """What an SDK has no longer, or what is traced by now, leaves the table."""
    assert any(
        entry in entries
        for method in census(entry.sdk)
        for entries in reasons(entry.sdk, method, UNTRACED).values()
    )


@each_sdk
def test_what_generates_is_in_no_area(sdk: ModuleType) -> None:
    """No entry that covers an area covers an endpoint that is traced."""
    rows = [(row.method, row.path) for row in SDKS[sdk].endpoints]
    assert [(str(entry), row) for row in rows for entry in UNTRACED if entry.covers(sdk, row)] == []


class TestTheWalk:
    @pytest.mark.parametrize(
        ("sdk", "name", "twin", "request_"),
        [
            (openai, "chat.completions.create", False, ("post", "/chat/completions")),
            (openai, "chat.completions.parse", True, ("post", "/chat/completions")),
            (openai, "chat.completions.stream", False, ("post", "/chat/completions")),
            (openai, "responses.stream", True, ("get", "/responses/{response_id}")),
            (openai, "beta.threads.runs.create_and_poll", False, ("post", "/threads/{thread_id}/runs")),
            (openai, "vector_stores.search", False, ("post", "/vector_stores/{vector_store_id}/search")),
            (openai, "audio.speech.create", True, ("post", "/audio/speech")),
            (anthropic, "messages.create", False, ("post", "/v1/messages")),
            (anthropic, "messages.parse", False, ("post", "/v1/messages")),
            (anthropic, "beta.messages.stream", True, ("post", "/v1/messages")),
            (anthropic, "beta.messages.tool_runner", False, ("post", "/v1/messages")),
            (anthropic, "beta.messages.thread", True, ("post", "/v1/messages")),
            (
                anthropic,
                "messages.batches.results",
                True,
                ("get", "/v1/messages/batches/{message_batch_id}/results"),
            ),
        ],
    )
    def test_finds_what_is_there(self, sdk: ModuleType, name: str, twin: bool, request_: Request) -> None:
        (method,) = (one for one in census(sdk) if (one.name, one.twin) == (name, twin))
        assert request_ in method.requests

    @each_sdk
    def test_finds_as_many_methods_as_twins(self, sdk: ModuleType) -> None:
        """But for those of anthropic's that only an event loop can run (2.11, `resources/beta`)."""
        sync, twins = ({one.name for one in census(sdk) if one.twin is twin} for twin in (False, True))
        assert len(sync) > 350
        work = "beta.environments.work"
        alone = {f"{work}.poller", f"{work}.worker", "beta.sessions.events.tool_runner"}
        assert sync ^ twins == (alone if sdk is anthropic else set())

    def test_finds_what_a_new_method_asks(self, tmp_path: Path) -> None:
        (found, twin) = grown(
            tmp_path,
            """
            class Dreams(SyncAPIResource):
                @cached_property
                def nights(self): return Nights(self._client)
                @overload
                def create(self): ...
                def create(self): return self._post("/dreams?beta=true", body={})
                def _private(self): return self._post("/private")
            class AsyncDreams(AsyncAPIResource):
                async def create(self): return await self._post("/dreams", body={})
            """,
        )
        assert found == Method("dreams.create", False, frozenset({("post", "/dreams")}))
        assert twin == Method("dreams.create", True, frozenset({("post", "/dreams")}))

    @pytest.mark.parametrize(
        ("body", "request_"),
        [
            ('return self._get(path_template("/x/{id}", id=id))', ("get", "/x/{id}")),
            ('return self._post(f"/x/{id}/y")', ("post", "/x/{}/y")),
            ('return self._get_api_list("/x", page=Page)', ("list", "/x")),
            ('return self._get_api_list("/x", page=Page, method="post")', ("post", "/x")),
            ('return Manager(partial(self._post, "/x", body={}))', ("post", "/x")),
            ('return self._client.post("/x")', ("post", "/x")),
            ('return self._get(told.url, options=options(span_route="/x"))', ("get", "/x")),
            ("return self._post(path)", ("post", "?")),
            ("send = self._post\nreturn send(1)", ("post", "?")),
            ("return self.other()", ("post", "/other")),
            ("return partial(self.with_raw_response.other, 1)", ("post", "/other")),
            ("return self._client.dreams.other()", ("post", "/other")),
            ("return helped(self, 1)", ("post", "/helped")),
            ("return Helper(cast(str, self._client))", ("post", "/other")),
        ],
    )
    def test_finds_it_however_it_is_asked(self, body: str, request_: Request, tmp_path: Path) -> None:
        source = """
            from .._help import Helper, helped
            class Dreams(SyncAPIResource):
                def other(self): return self._post("/other")
                def new(self, id, path, told):
            """
        (_, new) = grown(tmp_path, source, textwrap.indent(body, "        "))
        assert new == Method("dreams.new", False, frozenset({request_}))

    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ('def new(self): return self._post("/new_model")', "dreams.new (post /new_model)"),
            ('def new(self): return self._post("/filesystem")', "dreams.new (post /filesystem)"),
            (
                'def new(self): return self._post("/threads/{thread_id}/think")',
                "dreams.new (post /threads/{thread_id}/think)",
            ),
            ("def new(self): return self._post(unknown)", "dreams.new (post ?)"),
            ("def new(self): return Connection(self._client)", "dreams.new"),
        ],
    )
    def test_a_new_method_is_neither(self, source: str, said: str, tmp_path: Path) -> None:
        (method,) = grown(tmp_path, f"class Dreams(SyncAPIResource):\n    {source}\n")
        assert reasons(openai, method, UNTRACED) == {said: []}

    def test_one_more_question_of_a_traced_method_is_found(self, tmp_path: Path) -> None:
        source = 'def new(self): return self._post("/chat/completions") or self._post("/new_model")'
        (method,) = grown(tmp_path, f"class Dreams(SyncAPIResource):\n    {source}\n")
        assert reasons(openai, method, UNTRACED) == {"dreams.new (post /new_model)": []}


def grown(folder: Path, source: str, body: str = "") -> list[Method]:
    """Gives the methods of a package with one resource, of this source."""
    (folder / "resources").mkdir()
    (folder / "resources" / "dreams.py").write_text(textwrap.dedent(source).rstrip() + "\n" + body)
    (folder / "_help.py").write_text(
        textwrap.dedent("""
            def helped(resource, number): return deeper(resource)
            def deeper(other): return other._post("/helped")
            class Helper:
                def ask(self): return self._client.dreams.other()
            """)
    )
    return methods(folder)
