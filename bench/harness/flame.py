"""Flame graphs of what `perf script` prints: every process of a run, from its name at the bottom up."""
import re
from xml.sax.saxutils import escape

WIDTH = 1200
ROW = 16
LEAST = 0.0015  # of all samples; what has less is not drawn
CHARACTER = 6.2  # pixels
FIELDS = "comm,ip,sym,dso"  # of perf script
COLORS = (("crossfade", "#90cdf4"), ("sqlite", "#9ae6b4"), ("libpq", "#fbd38d"),
          ("postgres", "#fbd38d"), ("[kernel", "#e2e8f0"), ("", "#cbd5e0"))


def color_of(dso):
    return next(color for name, color in COLORS if name in dso)


def fold(script, only):
    """{((name, dso), ...): samples}, the process first, of the processes `only`."""
    out = {}
    for sample in script.split("\n\n"):
        lines = sample.strip("\n").split("\n")
        comm = lines[0].strip()
        if comm not in only:
            continue
        frames = [(comm, comm)]
        for line in reversed(lines[1:]):
            found = re.match(r"\s*[0-9a-f]+ (.*) \((.*)\)$", line)
            if not found:
                continue
            name, dso = found.group(1), found.group(2).rsplit("/", 1)[-1]
            name = name.replace("(anonymous namespace)::", "")
            name = dso if name == "[unknown]" else re.sub(r"\[abi:\w+\]|\(.*", "", name)
            if frames[-1] != (name, dso):  # one frame for a run of unknown ones
                frames.append((name, dso))
        out[tuple(frames)] = out.get(tuple(frames), 0) + 1
    return out


class Node:
    def __init__(self):
        self.samples = 0
        self.children = {}

    def add(self, frames, samples):
        node = self
        node.samples += samples
        for frame in frames:
            node = node.children.setdefault(frame, Node())
            node.samples += samples


def draw(title, stacks):
    root = Node()
    for frames, samples in sorted(stacks.items()):
        root.add(frames, samples)
    rows = []  # (depth, x, width, frame, samples)

    def place(node, depth, x):
        for frame, child in sorted(node.children.items(), key=lambda item: -item[1].samples):
            if child.samples < LEAST * root.samples:
                continue
            rows.append((depth, x, child.samples / root.samples * WIDTH, frame, child.samples))
            place(child, depth + 1, x)
            x += child.samples / root.samples * WIDTH

    place(root, 0, 0.0)
    height = 34 + ROW * (1 + max(depth for depth, *_ in rows))
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="monospace" '
           'font-size="10" fill="#1a202c">' % (WIDTH, height),
           '<rect width="100%" height="100%" fill="#ffffff"/>',
           '<text x="8" y="20" font-family="sans-serif" font-size="14" font-weight="bold">%s</text>'
           % escape(title)]
    for depth, x, width, (name, dso), samples in rows:
        y = height - ROW * (depth + 1)
        share = "%.1f %%" % (100 * samples / root.samples)
        out.append('<g><title>%s, %s: %s</title><rect x="%.1f" y="%d" width="%.1f" height="%d" '
                   'fill="%s" stroke="#ffffff" stroke-width="0.5"/>' % (
                       escape(name), escape(dso), share, x, y, width, ROW - 1, color_of(dso)))
        letters = int((width - 4) / CHARACTER)
        text = name if len(name) <= letters else name.rsplit("::", 1)[-1]
        if letters >= 4:
            out.append('<text x="%.1f" y="%d">%s</text>' % (x + 2, y + 11, escape(text[:letters])))
        out.append("</g>")
    return "\n".join(out) + "\n</svg>\n"
