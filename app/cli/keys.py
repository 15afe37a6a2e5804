"""`quittance keys …` and `quittance db …`: the operator's own affairs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.cli.local import open_resources
from app.cli.output import AsJson, out, plain_errors, print_json
from app.db import head_revision, upgrade
from app.migrations.roles import creation_sql, role_names
from app.settings import load_settings
from app.tenants.service import create_key, list_keys, operator_tenant, revoke_key
from app.tenants.store import ApiKey

keys = typer.Typer(no_args_is_help=True, help="API keys of the operator's tenant. Only hashes are stored.")
database = typer.Typer(no_args_is_help=True, help="The database.")


@keys.command("new")
def new(
    name: str,
    scope: Annotated[list[str] | None, typer.Option(help="read, write, seal or admin; repeat it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print a new key, once. Example: quittance keys new accounting --scope read"""
    with plain_errors(), open_resources() as resources, resources.engine.begin() as connection:
        tenant = operator_tenant(connection, now=resources.clock())
        made = create_key(
            connection, tenant_id=tenant.id, name=name, scopes=scope or ["read"], now=resources.clock()
        )
        if as_json:
            print_json({**_item(made.key), "key": made.plain})
        else:
            typer.echo(made.plain)


@keys.command("list")
def show(as_json: AsJson = False) -> None:
    """Keys without their secrets. Example: quittance keys list"""
    with plain_errors(), open_resources() as resources, resources.engine.begin() as connection:
        tenant = operator_tenant(connection, now=resources.clock())
        found = list_keys(connection, tenant_id=tenant.id)
    items = [_item(key) for key in found]
    if as_json:
        print_json({"items": items})
        return
    for item in items:
        out.print(f"{item['id']}  {item['name']}  {item['scopes']}", markup=False)


@keys.command("revoke")
def revoke(key_id: str, as_json: AsJson = False) -> None:
    """From now on the key opens nothing. Example: quittance keys revoke key_01J…"""
    with plain_errors(), open_resources() as resources, resources.engine.begin() as connection:
        tenant = operator_tenant(connection, now=resources.clock())
        revoke_key(connection, tenant_id=tenant.id, key_id=key_id, now=resources.clock())
    if as_json:
        print_json({"id": key_id, "revoked": True})


def _item(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "revoked": key.revoked_at is not None,
    }


@database.command("upgrade")
def upgrade_database(as_json: AsJson = False) -> None:
    """Bring the database to the newest schema. Example: quittance db upgrade

    On PostgreSQL by QUITTANCE_MIGRATION_URL, if that is set.
    """
    with plain_errors():
        settings = load_settings()
        upgrade(settings.migration.get_secret_value(), role_prefix=settings.role_prefix)
    if as_json:
        print_json({"revision": head_revision()})


@database.command("roles")
def print_roles(as_json: AsJson = False) -> None:
    """Print the SQL that makes the roles on a PostgreSQL server. Example: quittance db roles | psql"""
    with plain_errors():
        statements = creation_sql(role_names(load_settings().role_prefix))
    if as_json:
        print_json({"roles": list(statements), "sql": list(statements.values())})
        return
    for statement in statements.values():
        typer.echo(statement)
