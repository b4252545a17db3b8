"""A program that an error of the SDK ends."""

import openai


def deep(client: openai.OpenAI) -> None:
    client.chat.completions.create(model="status-404", messages=[{"role": "user", "content": "hi"}])


def main() -> None:
    try:
        deep(openai.OpenAI(max_retries=0))
    except openai.NotFoundError as fault:
        raise LookupError("no such model") from fault


main()
