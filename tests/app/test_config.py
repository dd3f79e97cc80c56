import pytest

from app import config
from app.config import Settings
from app.errors import ConfigurationError

SECRET = "s" * 40


@pytest.fixture(autouse=True)
def _fresh_settings(monkeypatch):
    config.settings.cache_clear()
    for name in ("ACCORD_ENVIRONMENT", "DATABASE_URL", "REDIS_URL", "ACCORD_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    yield
    monkeypatch.undo()
    config.settings.cache_clear()


def production(**changed):
    values = {"DATABASE_URL": "postgresql://u:p@host/accord", "REDIS_URL": "redis://host", "ACCORD_SECRET_KEY": SECRET}
    return {"ACCORD_ENVIRONMENT": "production", **values, **changed}


@pytest.mark.parametrize(
    ("changed", "variable"),
    [
        ({"ACCORD_SECRET_KEY": config.DEVELOPMENT_SECRET}, "ACCORD_SECRET_KEY"),
        ({"ACCORD_SECRET_KEY": "short"}, "ACCORD_SECRET_KEY"),
        ({"DATABASE_URL": ""}, "DATABASE_URL"),
        ({"REDIS_URL": ""}, "REDIS_URL"),
        ({"DATABASE_URL": "mysql://host/accord"}, "DATABASE_URL"),
        ({"ACCORD_DATABASE_POOL_SIZE": "none"}, "ACCORD_DATABASE_POOL_SIZE"),
    ],
)
def test_production_does_not_start_with_what_is_unsafe_or_unusable(monkeypatch, changed, variable):
    for name, value in production(**changed).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as refused:
        config.settings()
    assert variable in refused.value.sentence()
    assert SECRET not in refused.value.sentence()


def test_production_starts_with_what_it_needs(monkeypatch):
    for name, value in production(PUBLIC_URL="https://accord.example/").items():
        monkeypatch.setenv(name, value)
    found = config.settings()
    assert found.database_url == "postgresql+psycopg://u:p@host/accord"
    assert (found.public_url, found.is_https) == ("https://accord.example", True)


def test_secrets_do_not_show_when_settings_are_printed(monkeypatch):
    monkeypatch.setenv("ACCORD_SECRET_KEY", SECRET)
    assert SECRET not in repr(Settings())
