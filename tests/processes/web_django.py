"""A service of Django, for servers of either kind."""

from concurrent.futures import ThreadPoolExecutor

import django
from asking import ask
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse, StreamingHttpResponse
from django.urls import include, path

settings.configure(
    ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="of a test", LOGGING_CONFIG=None, LOGGING={}
)
django.setup()
pool = ThreadPoolExecutor(4)


def health(_request, key):
    return JsonResponse({"key": key})


def user(_request, key):
    return JsonResponse([ask(key), pool.submit(ask, f"{key}-pool").result()], safe=False)


def stream(_request, key):
    return StreamingHttpResponse(ask(f"{key}-{part}") for part in range(2))


def broken(_request, key):
    ask(key)
    raise ValueError(f"no {key}")


def later(_request, key):
    pool.submit(ask, f"{key}-later")
    return JsonResponse("later", safe=False)


urlpatterns = [
    path("health/<key>", health),
    path("api/", include([path("users/<str:key>", user)])),
    path("stream/<key>", stream),
    path("broken/<key>", broken),
    path("later/<key>", later),
]
wsgi = get_wsgi_application()
asgi = get_asgi_application()
