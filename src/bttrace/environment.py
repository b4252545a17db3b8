"""Where the process runs: continuous integration, a server platform, or a developer's machine. PURE.

Owns which variables say so. Only a positive sign counts: nothing is inferred from the
absence of others. Source: the instrumentation guide of `braintrustdata/braintrust-spec`, "Context".
"""

from __future__ import annotations

from collections.abc import Mapping

_CI = {
    "GITHUB_ACTIONS": "github_actions",
    "GITLAB_CI": "gitlab_ci",
    "CIRCLECI": "circleci",
    "BUILDKITE": "buildkite",
    "JENKINS_URL": "jenkins",
    "JENKINS_HOME": "jenkins",
    "TF_BUILD": "azure_pipelines",
    "TEAMCITY_VERSION": "teamcity",
    "TRAVIS": "travis",
    "BITBUCKET_BUILD_NUMBER": "bitbucket",
    "CI": "ci",
}
# In this order: a container of ECS or a function of Lambda can carry signs of more than one.
_SERVERS = {
    "VERCEL": "vercel",
    "NETLIFY": "netlify",
    "ECS_CONTAINER_METADATA_URI": "ecs",
    "ECS_CONTAINER_METADATA_URI_V4": "ecs",
    "AWS_LAMBDA_FUNCTION_NAME": "aws_lambda",
    "K_SERVICE": "cloud_run",
    "FUNCTION_TARGET": "gcp_functions",
    "KUBERNETES_SERVICE_HOST": "kubernetes",
    "DYNO": "heroku",
    "FLY_APP_NAME": "fly",
    "RAILWAY_ENVIRONMENT": "railway",
    "RENDER_SERVICE_NAME": "render",
}
# Where the process stands still from its answer to the next request: functions of Lambda, also those of
# others that run there, and Google's. Those of Azure and containers of Cloud Run go on.
_FREEZING = (
    ("AWS_LAMBDA_FUNCTION_NAME",),
    ("LAMBDA_TASK_ROOT",),
    ("FUNCTION_TARGET", "K_SERVICE"),
    ("FUNCTION_NAME", "GCP_PROJECT"),
)
_AWS = {"AWS_ECS_": "ecs", "AWS_Lambda_": "aws_lambda"}  # how AWS_EXECUTION_ENV begins
_MODES = {
    "production": "server",
    "prod": "server",
    "staging": "server",
    "stage": "server",
    "development": "local",
    "dev": "local",
    "local": "local",
}
SIGNS: tuple[str, ...] = (*_CI, *_SERVERS, *sum(_FREEZING, ()), "AWS_EXECUTION_ENV", "PYTHON_ENV")
_NO = ("", "0", "false", "no", "off")


def freezes(variables: Mapping[str, str]) -> bool:
    """Tells whether the platform stops the process as soon as it has answered a request."""
    return any(all(_is_set(variables, name) for name in names) for names in _FREEZING)


def _is_set(variables: Mapping[str, str], name: str) -> bool:
    return variables.get(name, "").strip().lower() not in _NO


def environment(variables: Mapping[str, str], kind: str | None, name: str | None) -> dict[str, object] | None:
    """Gives `type` and `name`, as far as they are known; `None` when nothing is. What is given wins."""
    if kind or name:
        return {key: value for key, value in (("type", kind), ("name", name)) if value}
    for signs, found in ((_CI, "ci"), (_SERVERS, "server")):
        for variable, platform in signs.items():
            if _is_set(variables, variable):
                return {"type": found, "name": platform}
        if found == "ci":
            continue
        for beginning, platform in _AWS.items():
            if variables.get("AWS_EXECUTION_ENV", "").startswith(beginning):
                return {"type": found, "name": platform}
    mode = variables.get("PYTHON_ENV", "").strip().lower()
    return {"type": _MODES[mode], "name": mode} if mode in _MODES else None
