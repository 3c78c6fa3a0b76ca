#!/usr/bin/python3
"""Django on mysqlclient: the admin's migrations, its models, atomic blocks and savepoints, then on while a node dies.

with_django.py DATABASE STOP-FILE HOST:PORT…   (see tests/system/drivers.py)
"""

import os
import sys

import django
from django.conf import settings

DATABASE, STOP = sys.argv[1:3]
PLACES = [place.split(":") for place in sys.argv[3:]]


def place(host, port):
    return {"ENGINE": "django.db.backends.mysql", "NAME": DATABASE, "USER": "app", "PASSWORD": "secret", "HOST": host, "PORT": int(port),
            "CONN_MAX_AGE": 60}


settings.configure(
    DATABASES={name: place(*at) for name, at in zip(["default", "second", "third"], PLACES)}, SECRET_KEY="x", USE_TZ=True,
    INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
                    "django.contrib.messages"], DEFAULT_AUTO_FIELD="django.db.models.BigAutoField")
django.setup()

from django.contrib.auth.models import Group, User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import DatabaseError, IntegrityError, connections, transaction  # noqa: E402


def first_steps():
    call_command("migrate", verbosity=0)
    user = User.objects.create_user("joe", "joe@example.com", "secret")
    assert User.objects.get(username="joe").check_password("secret")
    try:
        with transaction.atomic():
            User.objects.create_user("joe")
        raise AssertionError("the name was taken twice")
    except IntegrityError:
        pass
    group = Group.objects.create(name="readers")
    user.groups.add(group)
    try:
        with transaction.atomic():
            Group.objects.all().delete()
            raise KeyError
    except KeyError:
        pass
    assert user.groups.count() == 1
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        before = transaction.savepoint()
        User.objects.update(first_name="lost")
        transaction.savepoint_rollback(before)
    user.refresh_from_db()
    assert user.first_name == ""
    User.objects.bulk_create([User(username=f"user{i}") for i in range(300)])
    assert User.objects.filter(username__startswith="user").count() == 300
    assert len(connections["default"].introspection.table_names()) == 10 + 1  # and `written`


def write(names, number):
    while True:
        try:
            with connections[names[0]].cursor() as cursor:
                cursor.execute("INSERT INTO written VALUES ('django', %s)", [number])
            return
        except IntegrityError:
            return  # what had no answer had been done
        except DatabaseError:
            connections[names[0]].close()
            names.append(names.pop(0))


first_steps()
print("ready", flush=True)
count, order = 0, list(settings.DATABASES)
while not os.path.exists(STOP):
    write(order, count)
    count += 1
print("done", count, flush=True)
