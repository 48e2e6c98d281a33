"""A service's page of its own API, with all it needs from the service itself."""

from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

ASSETS = "docs-assets"


def install(app: FastAPI) -> None:
    """Serve ``/docs``. Its addresses are relative, so it works behind any prefix."""
    resources = Path(str(files("fastapi_swagger"))) / "resources"
    app.mount(f"/{ASSETS}", StaticFiles(directory=resources), name=ASSETS)
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title=app.title,
        swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS}/favicon-32x32.png",
    )

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page.body)
