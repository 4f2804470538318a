"""Signing in with a key of the API, which the browser then keeps where no script can read it."""

from http import HTTPStatus

from fastapi import Request, Response

from shopstream.schemas.http.answers import Refusal

from .console import COOKIE, HOME, SIGNED_IN_SECONDS, Console, own_path, redirect, refuse_foreign


class SignIn:
    """The pages before all others."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def form(self, request: Request, next: str = HOME, why: str = "") -> Response:  # noqa: A002 - in the address
        """Ask for the key."""
        values = {"title": "Sign in", "next": own_path(next), "why": why}
        return self._console.show(request, "sign_in.html", values)

    async def enter(self, request: Request) -> Response:
        """Take the key, and go on to where somebody was."""
        refuse_foreign(request)
        form = await self._console.form(request)
        presented, onwards = form.get("key", "").strip(), own_path(form.get("next", HOME))
        try:
            self._console.desk.admit(request, presented, "read")
        except Refusal as refusal:
            if refusal.status != HTTPStatus.UNAUTHORIZED:
                raise
            values = {"title": "Sign in", "next": onwards, "why": "unknown"}
            return self._console.show(request, "sign_in.html", values, status=HTTPStatus.UNAUTHORIZED)
        response = redirect(onwards)
        is_https = "https" in (request.url.scheme, request.headers.get("X-Forwarded-Proto"))
        response.set_cookie(
            COOKIE, presented, SIGNED_IN_SECONDS, path=HOME, secure=is_https, httponly=True, samesite="strict"
        )
        return response

    async def leave(self, request: Request) -> Response:
        """Forget the key."""
        refuse_foreign(request)
        response = redirect(f"{HOME}/sign-in")
        response.delete_cookie(COOKIE, path=HOME)
        return response
