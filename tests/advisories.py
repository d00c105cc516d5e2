#!/usr/bin/env python3
"""Writes tests/data/advisories.tsv from a checkout of RustSec's advisory database (public domain, CC0).

    git clone --depth 1 https://github.com/rustsec/advisory-db
    python3 tests/advisories.py advisory-db

All advisories for crates are kept, not only those of today's dependencies, so that a new dependency is checked as well.
"""

import pathlib
import subprocess
import sys
import tomllib


def main(database: str) -> None:
    git = lambda *args: subprocess.run(["git", "-C", database, *args], check=True, capture_output=True).stdout
    commit, date = git("log", "-1", "--format=%H %cs").decode().split()
    rows = []
    for name in git("ls-tree", "-r", "--name-only", "HEAD", "crates/").decode().split():
        text = git("show", f"HEAD:{name}").decode()
        advisory = tomllib.loads(text.split("```toml\n", 1)[1].split("\n```", 1)[0])
        about, versions = advisory["advisory"], advisory["versions"]
        if "withdrawn" in about:
            continue
        lists = ["|".join(versions.get(kind, [])) for kind in ("patched", "unaffected")]
        rows.append([about["package"], about["id"], about.get("informational", ""), *lists])
    rows.sort()
    out = pathlib.Path(__file__).parent / "data" / "advisories.tsv"
    head = f"# github.com/rustsec/advisory-db, commit {commit} of {date}. Made by tests/advisories.py.\n"
    head += "# crate\tadvisory\tinformational\tpatched\tunaffected\n"
    out.write_text(head + "".join("\t".join(row) + "\n" for row in rows))
    print(f"{len(rows)} advisories of {date}")


if __name__ == "__main__":
    main(*sys.argv[1:])
