#!/usr/bin/env python3
"""Which source files of a target may be compiled as one.

    unity_groups.py ROOT FILE...

Prints a line for each group: its files, separated by ';'. Nearly all time of a
cold build goes into headers, so a group parses them once. Files of one group
must not clash: two with the same name in their unnamed namespaces stand in
different groups, and so do a file whose unnamed namespace hides a name that a
header of the other one declares; what this overlooks, the compiler refuses. Nor
do files of one group bring a program what one of them alone would not: test_*
and those that reach OpenSSL's TLS or libusb stand apart.
"""
import os
import re
import sys

# A group is compiled by one process: large enough to share, small enough that
# several run side by side.
LARGEST_GROUP = 160_000  # bytes

NAME = r"([A-Za-z_]\w*)"
TYPE = re.compile(r"\b(?:class|struct|union|enum(?: class)?) " + NAME)
ALIAS = re.compile(r"^using " + NAME + r" =")
OTHER = re.compile(r"(?<!::)\b" + NAME + r"\s*(?=[(\[={;]|$)")
MACROS = re.compile(r"(TEST|INSTANTIATE|static_assert|template|extern|using |friend)")
INCLUDE = re.compile(r'^#include "(.*)"', re.M)
LIBRARY = re.compile(r"^#include <(openssl/ssl\.h|libusb.*)>", re.M)


def names(text):
    """The names declared in unnamed namespaces, and those outside of them.

    The code is formatted: what stands at a line's begin is declared in a
    namespace, and all else is inside of something.
    """
    hidden, shown = set(), set()
    depth = []
    enumerators = False
    for line in text.splitlines():
        into = hidden if "" in depth else shown
        if line.startswith("namespace"):
            depth.append(re.sub(r"namespace|[ {]", "", line))
        elif line.startswith("}  // namespace") and depth:
            depth.pop()
        elif line.startswith("enum "):
            into.update(TYPE.findall(line))
            enumerators = "class" not in line and not line.endswith(";")
        elif enumerators and line.startswith("}"):
            enumerators = False
        elif enumerators:
            into.update(re.findall(r"\bk[A-Z]\w*", line))
        elif ALIAS.match(line):
            into.update(ALIAS.findall(line))
        elif line[:1].isalpha() and not MACROS.match(line):
            found = TYPE.findall(line)
            (hidden if line.startswith("static ") else into).update(
                found or OTHER.findall(line))
    return hidden, shown


class Reader:
    def __init__(self, root):
        self.root = root
        self.headers = {}
        self.reached = {}

    def text(self, path):
        """Of a file of ours as it is included; empty when it is none."""
        for place in (self.root, self.root + "/pkcs11"):
            try:
                with open(place + "/" + path, encoding="utf-8") as file:
                    return file.read()
            except FileNotFoundError:
                continue
        return ""

    def libraries(self, path):
        """What the object of this .cc file or header comes with, roughly: the
        libraries named there and in all that it includes, with the .cc files of
        those headers."""
        if path not in self.reached:
            self.reached[path] = set()
            todo, seen = [path], set()
            while todo:
                one = todo.pop()
                if one in seen:
                    continue
                seen.add(one)
                text = self.text(one)
                self.reached[path] |= set(LIBRARY.findall(text))
                todo += INCLUDE.findall(text)
                if one.endswith(".h"):
                    todo.append(one[:-2] + ".cc")
        return self.reached[path]

    def names_of_header(self, path):
        """All that a header of ours declares, and those that it includes."""
        if path not in self.headers:
            self.headers[path] = set()
            text = self.text(path)
            found = names(text)[1]
            for other in INCLUDE.findall(text):
                found |= self.names_of_header(other)
            self.headers[path] = found
        return self.headers[path]


class Source:
    def __init__(self, path, reader):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.path = path
        self.size = len(text)
        self.kind = (os.path.basename(path).startswith("test_"),
                     reader.libraries(os.path.relpath(path, reader.root)))
        self.hidden, self.shown = names(text)
        # What the two define for all is not in question.
        for header in INCLUDE.findall(text):
            self.shown |= reader.names_of_header(header)

    def clashes(self, other):
        return (self.kind != other.kind or self.hidden & other.hidden
                or self.hidden & other.shown or other.hidden & self.shown)


def main():
    reader = Reader(sys.argv[1])
    groups = []
    for path in sorted(sys.argv[2:]):
        source = Source(path, reader)
        for group in groups:
            if (sum(one.size for one in group) + source.size <= LARGEST_GROUP
                    and not any(source.clashes(one) for one in group)):
                group.append(source)
                break
        else:
            groups.append([source])
    for group in groups:
        print(";".join(source.path for source in group))


if __name__ == "__main__":
    main()
