#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Writes docs/built-out-of-sight.svg, or the file named. The text stays text; the panel behind it is readable on white and dark.
set -eu
out=${1:-$(dirname "$0")/../built-out-of-sight.svg}

# text X Y CLASS ANCHOR WORDS...
text() {
  x=$1 y=$2 class=$3 anchor=$4
  shift 4
  printf '  <text x="%s" y="%s" class="%s" text-anchor="%s">%s</text>\n' "$x" "$y" "$class" "$anchor" "$*"
}

# box X Y WIDTH HEIGHT CLASS
box() {
  printf '  <rect x="%s" y="%s" width="%s" height="%s" rx="6" class="%s"/>\n' "$@"
}

# line X1 Y1 X2 Y2 CLASS
line() {
  printf '  <line x1="%s" y1="%s" x2="%s" y2="%s" class="%s"/>\n' "$@"
}

# arrow X1 X2 Y
arrow() {
  line "$1" "$3" "$(($2 - 8))" "$3" arrow
  printf '  <path d="M %s %s l -10 -6 v 12 z" class="head"/>\n' "$2" "$3"
}

# tree X Y CLASS ROOT: a root and the three mounts in it
tree() {
  box "$(($1 + 64))" "$2" 82 28 "$3"
  text "$(($1 + 105))" "$(($2 + 19))" code middle "$4"
  offset=0
  for mount in /proc /tmp /usr; do
    line "$(($1 + 105))" "$(($2 + 28))" "$(($1 + offset + 30))" "$(($2 + 62))" branch
    box "$(($1 + offset))" "$(($2 + 62))" 60 28 "$3"
    text "$(($1 + offset + 30))" "$(($2 + 81))" code middle "$mount"
    offset=$((offset + 75))
  done
}

{
  cat <<'SVG'
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 880 330" width="880" height="330" role="img" aria-labelledby="title">
  <title id="title">A mount list becomes a detached tree that no path leads to; one move_mount(2) publishes it whole.</title>
  <style>
    text { font-family: system-ui, sans-serif; font-size: 14px; fill: #1f2328; }
    .heading { font-weight: 600; font-size: 15px; }
    .code { font-family: ui-monospace, monospace; font-size: 13px; }
    .quiet { fill: #57606a; font-size: 13px; }
    .panel { fill: #ffffff; stroke: #8c959f; }
    .part { fill: #f6f8fa; stroke: #8c959f; }
    .unseen { fill: #fff8c5; stroke: #9a6700; stroke-dasharray: 5 4; }
    .seen { fill: #dafbe1; stroke: #1a7f37; }
    .branch { stroke: #8c959f; }
    .arrow { stroke: #0969da; stroke-width: 2; }
    .head { fill: #0969da; }
  </style>
SVG
  box 1 1 878 328 panel

  text 20 34 heading start '1. A mount list'
  box 20 50 190 126 part
  row=74
  for mount in 'overlay  on /' 'proc     on /proc' 'tmpfs    on /tmp' 'bind     on /usr'; do
    printf '  <text x="34" y="%s" class="code" xml:space="preserve">%s</text>\n' "$row" "$mount"
    row=$((row + 28))
  done
  arrow 222 286 113

  text 300 34 heading start '2. Built out of sight'
  tree 300 66 unseen root
  text 405 180 quiet middle 'detached: no path leads here'
  arrow 526 642 113
  text 582 100 code middle 'move_mount(2)'
  text 582 136 quiet middle 'one call'

  text 656 34 heading start '3. Published in one step'
  tree 655 66 seen /srv/root
  text 760 180 quiet middle 'in the mount table'

  line 20 204 860 204 branch
  text 20 232 heading start 'What another process sees at /srv/root'
  box 20 246 562 30 unseen
  text 301 266 plain middle 'what was there before: nothing of the set'
  box 582 246 278 30 seen
  text 721 266 plain middle 'the whole set'
  text 20 306 quiet start 'An error or kill -9 before the call: the kernel dissolves the tree. Nothing was mounted, nothing is left.'
  echo '</svg>'
} > "$out"
