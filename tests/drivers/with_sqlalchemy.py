#!/usr/bin/python3
"""SQLAlchemy on PyMySQL: tables from classes, sessions, savepoints, introspection, then on while a node dies.

with_sqlalchemy.py DATABASE STOP-FILE HOST:PORT…   (see tests/system/drivers.py)
"""

import os
import sys

from sqlalchemy import (JSON, Column, Integer, LargeBinary, Numeric, String, create_engine, exc, func, inspect, text)
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.orm import Session, declarative_base

DATABASE, STOP = sys.argv[1:3]
PLACES = sys.argv[3:]
Base = declarative_base()


class Thing(Base):
    __tablename__ = "things"
    id = Column(Integer, primary_key=True)
    name = Column(String(50), unique=True)
    at = Column(DATETIME(fsp=6), server_default=func.now(6))
    amount = Column(Numeric(10, 2))
    facts = Column(JSON)
    raw = Column(LargeBinary)


def connect():
    return create_engine(f"mysql+pymysql://app:secret@{PLACES[0]}/{DATABASE}?charset=utf8mb4", pool_pre_ping=True)


def first_steps(engine):
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Thing(name=f"n{i}é漢😀", amount=i / 3, facts={"k": [i]}, raw=bytes(range(256))) for i in range(50)])
        session.commit()
        thing = session.query(Thing).filter_by(name="n7é漢😀").one()
        thing.amount = 99.5
        session.commit()
        assert float(thing.amount) == 99.5 and thing.facts == {"k": [7]} and thing.raw == bytes(range(256))
        try:
            session.add(Thing(name="n7é漢😀"))
            session.commit()
            raise AssertionError("the name was taken twice")
        except exc.IntegrityError:
            session.rollback()
        session.query(Thing).filter(Thing.id < 10).delete()
        session.rollback()
        with session.begin_nested():
            session.add(Thing(name="nested"))
        session.commit()
    names = [column["name"] for column in inspect(engine).get_columns("things")]
    assert names == ["id", "name", "at", "amount", "facts", "raw"], names
    for level in ("READ COMMITTED", "SERIALIZABLE", "AUTOCOMMIT"):
        with engine.connect().execution_options(isolation_level=level) as connection:
            assert connection.execute(text("SELECT COUNT(*) FROM things")).scalar() == 51


def write(engine, number):
    while True:
        try:
            with Session(engine) as session:
                session.execute(text("INSERT INTO written VALUES ('sqlalchemy', :n)"), {"n": number})
                session.commit()
            return engine
        except exc.IntegrityError:
            return engine  # what had no answer had been done
        except exc.DBAPIError:
            PLACES.append(PLACES.pop(0))
            engine = connect()


engine = connect()
first_steps(engine)
print("ready", flush=True)
count = 0
while not os.path.exists(STOP):
    engine = write(engine, count)
    count += 1
print("done", count, flush=True)
