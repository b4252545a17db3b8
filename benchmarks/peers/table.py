"""The peers: which versions, how a program starts each, and what leads each to the sink.

Owns the pins and the lines that each peer's own quick start has a user write, with the content
of calls recorded and with what is no tracing (telemetry about itself, consoles) turned off. Read
in every environment, so it imports nothing of any.

In an environment's values, `{url}` is the address of the peer's port at the sink, `{scratch}` a
folder that is thrown away, `{door}` the folder that `python -m bttrace.path` names, `{floor}` ours
of the floor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OPENAI, ANTHROPIC = "openai==3.52.0", "anthropic==2.11.0"


@dataclass(frozen=True, slots=True, eq=False)
class Peer:
    """One tracer, as a program that uses it has it."""

    name: str
    package: str  # whose version is shown; "" for what is none
    requirements: tuple[str, ...]  # beyond the SDKs
    start: str = ""  # what a program begins with, whatever SDK it uses
    openai: str = ""  # and to have openai observed
    anthropic: str | None = ""  # and to have anthropic observed; None where the peer has nothing for it
    late: str = ""  # what starts it where `start` says nothing, in a process that has imported an SDK
    flush: str = "pass"  # sends what waits, and is done when it is sent
    options: Mapping[str, str] = field(default_factory=dict)  # variables, with a key or without
    keys: Mapping[str, str] = field(default_factory=dict)  # variables that come with a key
    exports: bool = True
    own: bool = False  # whether the project's wheel is installed too

    def program(self, *sdks: str) -> str | None:
        """Gives what a program begins with that imports SDKs; None if the peer has nothing for one."""
        observed = [getattr(self, sdk) for sdk in sdks]
        if None in observed:
            return None
        return "\n".join([self.start, *observed, *(f"import {sdk}" for sdk in sdks)])


_OTLP = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
"""
_OTLP_KEYS = {"OTEL_EXPORTER_OTLP_ENDPOINT": "{url}"}
_OTLP_PACKAGES = ("opentelemetry-sdk==1.45.2", "opentelemetry-exporter-otlp-proto-http==1.45.2")
_OTLP_FLUSH = "provider.force_flush()"
_HTTPX = "httpx==0.28.1"  # they import it, and the SDKs have not brought it since openai 3
_LOCAL = ("wrapt==2.5.2", "urllib3==2.8.0")

NOTHING = Peer("nothing", "", _LOCAL, exports=False, own=True)
FLOOR = Peer(
    "floor",
    "wrapt",
    _LOCAL,
    start="from least import patch",
    openai="import openai; patch(openai)",
    anthropic="import anthropic; patch(anthropic)",
    options={"PYTHONPATH": "{floor}"},
    exports=False,
    own=True,
)
BTTRACE = Peer(
    "bttrace",
    "bttrace",
    _LOCAL,
    late="import bttrace; bttrace.enable()",
    flush="import bttrace; bttrace.flush(60.0)",
    options={"PYTHONPATH": "{door}", "BTTRACE_SPOOL_DIR": "{scratch}/spool"},
    keys={"BRAINTRUST_API_KEY": "k", "BRAINTRUST_API_URL": "{url}", "BRAINTRUST_APP_URL": "{url}"},
    own=True,
)

PEERS = (
    NOTHING,
    FLOOR,
    BTTRACE,
    Peer(
        "braintrust",
        "braintrust",
        ("braintrust==0.47.0",),
        start="import braintrust; braintrust.init_logger(project='bench'); braintrust.auto_instrument()",
        flush="braintrust.flush()",
        keys={"BRAINTRUST_API_KEY": "k", "BRAINTRUST_API_URL": "{url}", "BRAINTRUST_APP_URL": "{url}"},
    ),
    Peer(
        "opentelemetry",
        "opentelemetry-instrumentation-openai-v2",
        (
            "opentelemetry-instrumentation-openai-v2==2.4b0",
            "opentelemetry-util-genai==1.1b0",  # the last that has what openai-v2 2.4b0 imports
            *_OTLP_PACKAGES,
            _HTTPX,
        ),
        start=_OTLP,
        openai=(
            "from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor;"
            " OpenAIInstrumentor().instrument()"
        ),
        anthropic=None,
        flush=_OTLP_FLUSH,
        options={
            "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only",
        },
        keys=_OTLP_KEYS,
    ),
    Peer(
        "openllmetry",
        "traceloop-sdk",
        # opentelemetry-instrumentation: pip finds no set of its dozens of packages without being told.
        (
            "traceloop-sdk==0.62.4",
            "opentelemetry-instrumentation==0.66b1",
            "opentelemetry-sdk==1.45.1",
            _HTTPX,
        ),
        start="from traceloop.sdk import Traceloop; Traceloop.init('bench', telemetry_enabled=False)",
        flush="from traceloop.sdk.tracing.tracing import TracerWrapper; TracerWrapper().flush()",
        options={"TRACELOOP_TRACE_CONTENT": "true", "TRACELOOP_METRICS_ENABLED": "false"},
        keys={"TRACELOOP_API_KEY": "k", "TRACELOOP_BASE_URL": "{url}"},
    ),
    Peer(
        "openinference",
        "openinference-instrumentation-openai",
        (
            "openinference-instrumentation-openai==0.1.66",
            "openinference-instrumentation-anthropic==3.1.0",
            *_OTLP_PACKAGES,
        ),
        start=_OTLP,
        openai=(
            "from openinference.instrumentation.openai import OpenAIInstrumentor;"
            " OpenAIInstrumentor().instrument()"
        ),
        anthropic=(
            "from openinference.instrumentation.anthropic import AnthropicInstrumentor;"
            " AnthropicInstrumentor().instrument()"
        ),
        flush=_OTLP_FLUSH,
        keys=_OTLP_KEYS,
    ),
    Peer(
        "logfire",
        "logfire",
        ("logfire==5.1.1",),
        start="import logfire; logfire.configure(send_to_logfire='if-token-present', console=False)",
        openai="logfire.instrument_openai()",
        anthropic="logfire.instrument_anthropic()",
        flush="logfire.force_flush()",
        options={"LOGFIRE_IGNORE_NO_CONFIG": "1"},
        keys={"LOGFIRE_TOKEN": "k", "LOGFIRE_BASE_URL": "{url}"},
    ),
    Peer(
        "langfuse",
        "langfuse",
        ("langfuse==5.0.4",),
        start="import langfuse; langfuse.get_client()",
        openai="import langfuse.openai",
        anthropic=None,
        flush="langfuse.get_client().flush()",
        keys={"LANGFUSE_PUBLIC_KEY": "k", "LANGFUSE_SECRET_KEY": "k", "LANGFUSE_BASE_URL": "{url}"},
    ),
    Peer(
        "ddtrace",
        "ddtrace",
        ("ddtrace==4.16.0",),
        start="import ddtrace.auto",
        flush="from ddtrace.llmobs import LLMObs; LLMObs.flush()",
        options={
            "DD_LLMOBS_ENABLED": "1",
            "DD_LLMOBS_AGENTLESS_ENABLED": "1",
            "DD_SERVICE": "bench",
            "DD_APM_TRACING_ENABLED": "false",
            "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
            "DD_REMOTE_CONFIGURATION_ENABLED": "false",
        },
        keys={"DD_API_KEY": "k", "DD_SITE": "datadoghq.com", "DD_LLMOBS_OVERRIDE_ORIGIN": "{url}"},
    ),
)
