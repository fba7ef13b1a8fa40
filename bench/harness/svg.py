"""Plots as SVG: horizontal bars, grouped. Text is text, so that it can be read and searched."""
from xml.sax.saxutils import escape

WIDTH = 760
LABEL = 270
VALUE = 110
BAR = 18
GAP = 5
COLORS = {"ours": "#2b6cb0", "other": "#a0aec0"}


def number(value):
    if value >= 1_000:
        return "{:,.0f}".format(value)
    return "%.3g" % value


def bars(title, unit, groups, log=False):
    """`groups`: [(heading or None, [(label, value, is_ours)])]. The longest bar fills the width."""
    import math
    values = [v for _, rows in groups for _, v, _ in rows]
    top = max(values)
    low = min(v for v in values if v > 0)

    def width(value):
        if log and value > 0 and top > low:
            share = 0.08 + 0.92 * math.log(value / low) / math.log(top / low)
        else:
            share = value / top if top else 0
        return max(1.0, share * (WIDTH - LABEL - VALUE))

    out = []
    y = 34
    for heading, rows in groups:
        if heading:
            out.append('<text x="10" y="%d" font-weight="bold">%s</text>' % (y + 13, escape(heading)))
            y += BAR + GAP
        for label, value, ours in rows:
            out.append('<text x="%d" y="%d" text-anchor="end">%s</text>' % (
                LABEL - 8, y + 13, escape(label)))
            out.append('<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>' % (
                LABEL, y, width(value), BAR, COLORS["ours" if ours else "other"]))
            out.append('<text x="%.1f" y="%d">%s</text>' % (
                LABEL + width(value) + 6, y + 13, number(value)))
            y += BAR + GAP
        y += GAP
    head = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" '
            'font-size="12" fill="#1a202c">\n<rect width="100%%" height="100%%" fill="#ffffff"/>\n'
            '<text x="10" y="20" font-size="14" font-weight="bold">%s</text>\n'
            % (WIDTH, y + 6, escape("%s, %s%s" % (title, unit, " (logarithmic)" if log else ""))))
    return head + "\n".join(out) + "\n</svg>\n"
