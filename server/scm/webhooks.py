"""The webhook as a Django view, for servers and tests that come in by the map of URLs; `door` is the fast way in."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from server.scm.deliveries import MAX_BODY, TOO_LARGE, WRONG_METHOD, Answer, Delivery, take


@csrf_exempt
def github(request: HttpRequest, project: str) -> JsonResponse:
    """`POST /hooks/github/<project>`: 202 new, 200 seen before, 400, 401, 405 or 413; JSON in every case."""
    if request.method != "POST":
        return _response(WRONG_METHOD)
    body = request.read(MAX_BODY + 1)
    if len(body) > MAX_BODY:
        return _response(TOO_LARGE)
    return _response(take([_delivery(request, project, body)])[0])


def _delivery(request: HttpRequest, project: str, body: bytes) -> Delivery:
    return Delivery(
        project=project,
        event=request.headers.get("X-GitHub-Event", ""),
        id=request.headers.get("X-GitHub-Delivery", ""),
        signature=request.headers.get("X-Hub-Signature-256", ""),
        content_type=request.headers.get("Content-Type", ""),
        body=body,
    )


def _response(answer: Answer) -> JsonResponse:
    headers = {"Allow": "POST"} if answer.status == 405 else {}
    return JsonResponse(answer.value, status=answer.status, headers=headers)
