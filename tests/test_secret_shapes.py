"""Known secret shapes never stay in a text, and ordinary text always does."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bttrace.screens.secret_shapes import named, replaced, suspected

BODY = "Ab3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fL3nR6uX9e"  # made up
HEX = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
PEM = f"-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA{BODY}\n{BODY}==\n-----END RSA PRIVATE KEY-----"

# What it is called -> the secret, with what is around it; the part between bars is what must go.
SECRETS = {
    "openai key": f"|sk-proj-{BODY}|",
    "openai key of a service account": f"key |sk-svcacct-{BODY}_x-y|.",
    "older openai key": f"|sk-{BODY}|",
    "anthropic key": f"|sk-ant-api03-{BODY}-_AA|",
    "openrouter key": f"|sk-or-v1-{HEX}{HEX}|",
    "groq key": f"|gsk_{BODY}|",
    "xai key": f"|xai-{BODY}|",
    "together key": f"|tgp_v1_{BODY}|",
    "fireworks key": f"|fw_{BODY[:24]}|",
    "perplexity key": f"|pplx-{BODY}|",
    "cerebras key": f"|csk-{BODY.lower()}|",
    "huggingface token": f"|hf_{BODY[:34]}|",
    "replicate token": f"|r8_{BODY[:37]}|",
    "google key": f"|AIza{BODY[:35]}|",
    "braintrust key": f"|bt-st-{BODY}|",
    "aws key id": "|AKIA2OGYBAH6XNPLRDT7|",
    "temporary aws key id": "|ASIA2OGYBAH6XNPLRDT7|",
    "aws secret key": f'aws_secret_access_key = "|{BODY[:20]}/{BODY[21:40]}|"',
    "github token": f"|ghp_{BODY[:36]}|",
    "github app token": f"|ghs_{BODY[:36]}|",
    "github fine-grained token": f"|github_pat_{BODY[:22]}_{BODY}|",
    "gitlab token": f"|glpat-{BODY[:20]}|",
    "slack token": f"|xoxb-2435465768-{BODY[:24]}|",
    "stripe key": f"|sk_live_{BODY[:24]}|",
    "restricted stripe key": f"|rk_live_{BODY[:24]}|",
    "npm token": f"|npm_{BODY[:36]}|",
    "pypi token": f"|pypi-AgEIcHlwaS5vcmc{BODY}|",
    "jwt": "|eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r|",
    "bearer": f"Authorization: Bearer |{BODY}|",
    "basic": "Authorization: Basic |dXNlcjpwYXNzd29yZDEyMw==|",
    "header": f"x-api-key: |{HEX}|",
    "headers of httpx": f"[(b'x-api-key', b'|{HEX}|'), (b'accept', b'*/*')]",
    "headers as a dict": f"{{'api-key': '|{HEX}|', 'accept': '*/*'}}",
    "json in json": json.dumps(json.dumps({"api_key": f"|{HEX}|"})),
    "a line in json": json.dumps(f"keys:\n|sk-proj-{BODY}|\nend"),
    "code": f'client = Client(api_key="|{HEX}|", timeout=3)',
    "an environment file": "MY_SERVICE_TOKEN=1\nDATABASE_PASSWORD=|hunter2!hunter2|\n",
    "private key": f"key:\n|{PEM}|\nend",
    "private key with escapes": "{'private_key': '|" + PEM.replace("\n", "\\n") + "|'}",
    "private key that is cut off": f"|{PEM[:90]}|",
    "url with a password": "postgres://admin:|pw|@db.internal:5432/main",
    "url with a password alone": "redis://:|s3cr3tpassword|@cache:6379/0",
    "query with a key": f"GET https://api.example.com/v1?q=x&api_key=|{HEX}|&page=2",
    "query with a token": f"https://api.example.com/v1?access_token=|{HEX}|",
    "azure signature": "https://a.blob.core.windows.net/c?sv=2024-01-01&sig=|aB3%2FdE6gH9jK2mN5%3D|&se=1",
    "azure account key": f"AccountName=a;AccountKey=|{BODY}+/Ab3dE6gH9jK2mN5==|;EndpointSuffix=core.windows.net",
    "aws signature": f"https://b.s3.amazonaws.com/k?X-Amz-Expires=60&X-Amz-Signature=|{HEX}{HEX}|",
    "a key in an address": quote(f"key=|sk-proj-{BODY}|", safe="|"),
}  # fmt: skip

ORDINARY = [
    "The task-specific risk-adjusted disk-backed desk-mounted skeleton key is sk-learn, or sk-learn-contrib-extension.",
    "3f2504e0-4f89-11d3-9a0c-0305e82c3301 and call_9hUPGqWdgJQqAbcdEf12 and chatcmpl-AbC123dEf456GhI789",
    "req_011CSHoEeqs5C35K2UUqR7Fy toolu_01A09q90qw90lq917835lq9 resp_68af4030592c81938ec0a5fbab4a3e9f05438e46b5f69a3b",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
    '{"prompt_tokens": 12, "max_tokens": 4096, "token": "Hello", "logprob": -0.31725305, "bytes": [72, 101]}',
    "The access token is short-lived; the API key: see the documentation. Password: required. Your password must be 8 characters.",
    "api_key = os.environ['OPENAI_API_KEY']; client = OpenAI(api_key=settings.openai_api_key_v2)",
    "sk-... sk-xxxx sk-1234 ghp_xxx Bearer <token> Bearer token Basic understanding of internationalization",
    "see https://example.com/docs?key=documentation#api-key and https://user@example.com/path?page=2&sort_key=created_at",
    "gpt-4o-mini-2024-07-18 claude-haiku-4-5-20251001 accounts/fireworks/models/llama-v3p1-405b-instruct",
    "hf_internationalization_module fw_update_configuration_2 npm_config_registry r8_settings",
    "eyJhbGciOiJIUzI1NiJ9 is only a header; a.b.c is no token; 1.2.3",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE----- and a PEM says -----BEGIN PRIVATE KEY----- first",
    "mail me at someone@example.com: 10:30 @ the office, ratio 3://4",
    "AKIA is a prefix; AIza too; ASIA-PACIFIC REGION",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_replaced_and_what_is_around_it_stays(name: str) -> None:
    before, secret, after = SECRETS[name].split("|")
    text = before + secret + after
    told = replaced(text)
    assert suspected(text)
    assert suspected(f"other text\n{text}\nother text")
    assert secret not in told
    assert told.startswith(before)
    assert told.endswith(after)
    assert told[len(before) : len(told) - len(after)].startswith("[secret: ")
    assert replaced(told) == told


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays(text: str) -> None:
    assert replaced(text) == text


def test_a_value_is_told_by_its_name() -> None:
    for good in (
        "api_key",
        "apiKey",
        "OPENAI_API_KEY",
        "x-api-key",
        "clientSecret",
        "authorization",
        "Cookie",
    ):
        assert named(good, HEX) == "[secret: value]"
    assert named("Authorization", f"Token {HEX}") == "[secret: value]"
    wrong: list[tuple[object, str]] = [
        ("token", HEX),
        ("api_key", "YOUR_API_KEY"),
        ("secret", "none"),
        ("cache_key", HEX),
        (3, HEX),
    ]
    for name, value in wrong:
        assert named(name, value) is None


def test_known_values_are_replaced_by_their_names() -> None:
    known = {"correct horse battery": "DB_PASSWORD"}
    assert replaced("it is correct horse battery.", known) == "it is [secret: DB_PASSWORD]."
    assert suspected("it is correct horse battery.", known)
    assert not suspected("it is another horse.", known)


TEXTS = st.text(max_size=40) | st.text("ab12-_=:/.@ \n\"'\\%", max_size=60)
PIECES = st.lists(
    st.sampled_from([*(text.replace("|", "") for text in SECRETS.values()), *ORDINARY]) | TEXTS, max_size=6
)


@given(PIECES, st.sampled_from(["", " ", "\n", '"', "=", "/", "é"]))
def test_whatever_is_said_nothing_is_left_to_replace(pieces: list[str], between: str) -> None:
    text = between.join(pieces)
    told = replaced(text)
    assert replaced(told) == told
    assert len(told) <= 20 * len(text) + 40
    if told != text:
        assert suspected(text)


@given(TEXTS, st.sampled_from(sorted(SECRETS)), TEXTS)
def test_no_neighbour_hides_a_secret(before: str, name: str, after: str) -> None:
    _, secret, _ = SECRETS[name].split("|")
    text = f"{before}\n{SECRETS[name].replace('|', '')}\n{after}"
    assert secret not in replaced(text)


@pytest.mark.parametrize(
    "text",
    ["sk-" * 200_000, "-----BEGIN PRIVATE KEY-----" * 20_000, "://a:" * 100_000, "api_key=" * 80_000,
     "password " * 60_000, "a" * 1_000_000, "eyJ" * 200_000, "key=sk-ant-" * 60_000, "bearer " * 100_000],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    began = time.thread_time()
    replaced(text)
    assert time.thread_time() - began < 5
