#!/usr/bin/python3
"""An application that knows nothing of ddb: WordPress as Debian packs it, installed by its own installer through one node's
listener; posts are written and read while the coordinator dies, and again when the node that it uses has died and come back."""

import http.cookiejar
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lib"))

import servers  # noqa: E402
from ddb_cluster import ROOT, SLOW, Cluster, check, main, note, wait_until  # noqa: E402

CONFIG = """<?php
define('DB_NAME', 'wordpress'); define('DB_USER', 'app'); define('DB_PASSWORD', 'secret'); define('DB_HOST', '%(database)s');
define('DB_CHARSET', 'utf8mb4'); define('DB_COLLATE', '');
define('WP_HTTP_BLOCK_EXTERNAL', true); define('DISABLE_WP_CRON', true); define('AUTOMATIC_UPDATER_DISABLED', true);
define('WP_CONTENT_DIR', '%(directory)s/wp-content'); define('WP_SITEURL', '%(url)s'); define('WP_HOME', '%(url)s');
foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $for) { define($for . '_KEY', $for); define($for . '_SALT', $for); }
$table_prefix = 'wp_';
if (!defined('ABSPATH')) define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
"""
DEBS, THEME = os.path.join(ROOT, ".cache", "debs"), "wordpress-theme-twentytwentythree"
PASSWORD = "a good password 1"
POSTS = 5
PAGE_S = 60 * SLOW


class Site:
    """The application behind PHP's own web server."""

    def __init__(self, directory, database):
        self.directory, self.url = directory, f"http://127.0.0.1:{servers.free_ports(1)[0]}"
        shutil.copytree(os.path.join(DEBS, "wordpress", "usr", "share", "wordpress"), directory, symlinks=True)
        shutil.copytree(os.path.join(DEBS, THEME, "usr", "share", "wordpress"), directory, symlinks=True, dirs_exist_ok=True)
        with open(os.path.join(directory, "wp-config.php"), "w", encoding="utf-8") as file:
            file.write(CONFIG % {"database": database, "directory": directory, "url": self.url})
        self.browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        self.log = directory + ".log"

    def __enter__(self):
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(["php", "-S", self.url[7:], "-t", self.directory], stdout=log, stderr=subprocess.STDOUT)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def page(self, path, form=None, headers=()):
        """(HTTP status, text)"""
        body = urllib.parse.urlencode(form).encode() if form else None
        try:
            with self.browser.open(urllib.request.Request(self.url + path, body, dict(headers)), timeout=PAGE_S) as answer:
                return answer.status, answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode("utf-8", "replace")
        except OSError as error:
            return 0, str(error)

    def up(self):
        return self.page("/wp-includes/js/jquery/jquery.min.js")[0] == 200

    def install(self):
        form = {"weblog_title": "A site", "user_name": "admin", "admin_password": PASSWORD, "admin_password2": PASSWORD, "pw_weak": "1",
                "admin_email": "admin@example.com", "Submit": "Install WordPress", "language": ""}
        status, text = self.page("/wp-admin/install.php?step=2", form)
        check(status == 200 and "Success!" in text, f"installer: {status} {re.sub('<[^>]*>', ' ', text)[-800:]}")

    def log_in(self):
        self.page("/wp-login.php")
        status, text = self.page("/wp-login.php", {"log": "admin", "pwd": PASSWORD, "testcookie": "1", "redirect_to": self.url + "/wp-admin/"})
        check(status == 200 and "Dashboard" in text, f"login: {status} {text[:500]}")

    def post(self, title):
        """The id of a new page."""
        nonce = self.page("/wp-admin/admin-ajax.php?action=rest-nonce")[1]
        status, text = self.page("/?rest_route=/wp/v2/posts", {"title": title, "content": f"{title} – grün 日本 😀", "status": "publish"},
                                 {"X-WP-Nonce": nonce})
        check(status == 201, f"post {title}: {status} {text[:500]}")
        return json.loads(text)["id"]

    def read(self, number):
        status, text = self.page(f"/?rest_route=/wp/v2/posts/{number}")
        check(status == 200, f"page {number}: {status} {text[:500]}")
        return json.loads(text)["content"]["rendered"]


def application():
    with Cluster() as cluster:
        cluster.sql(1, "CREATE DATABASE wordpress", "CREATE USER app@'%' IDENTIFIED BY 'secret'", "GRANT ALL ON wordpress.* TO app@'%'")
        coordinator = cluster.coordinator()
        used = cluster.others(coordinator)[0]
        written = {}
        with Site(os.path.join(cluster.base, "site"), f"{cluster.nodes[used]['address']}:{cluster.port + 2}") as site:
            wait_until(site.up, 30 * SLOW, "the web server")
            site.install()
            site.log_in()

            def write(what):
                for number in range(POSTS):
                    title = f"{what} {number}"
                    written[site.post(title)] = title

            write("in peace")
            cluster.kill(coordinator)
            write("without the coordinator")
            cluster.start(coordinator)
            write("with another one")
            cluster.kill(used, with_mysql=True)
            check(site.page("/")[0] in (0, 500), "a page without a database")
            cluster.start(used)
            wait_until(lambda: site.page("/?rest_route=/wp/v2/posts")[0] == 200, PAGE_S, "the site with its node back")
            write("with the node back")
            for number, title in written.items():
                check(f"{title} – grün 日本 😀" in site.read(number), f"page {number} is {title}")
            status, text = site.page("/wp-admin/edit.php")
            check(status == 200 and "with the node back 4" in text, f"the list of posts: {status} {text[:300]}")
        cluster.settle()
        tables = cluster.same_tables("wordpress")
        note(f"{len(written)} posts in {len(tables)} tables")
        check(len(tables) == 12, f"tables: {tables}")


if __name__ == "__main__":
    main(application)
