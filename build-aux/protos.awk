# SPDX-License-Identifier: MIT
# Reads public headers and prints one line for each FLUV_EXTERN prototype, with
# tabs between: file, line, name, return type, marks, parameters, comment. The
# parameters are separated by commas, the lines of the comment by \001. The
# comment is empty when none that opens with two stars stands directly above.
#
# It understands the headers as clang-format leaves them: a prototype starts
# in the first column with FLUV_EXTERN and ends with the first semicolon.

function trim(text) {
  gsub(/^[ \t]+|[ \t]+$/, "", text)
  return text
}

# The name a parameter declares; empty for "void" and "...".
function parameter_name(text) {
  text = trim(text)
  if (text == "" || text == "void" || text == "...")
    return ""
  if (match(text, /\([ ]*\*[ ]*[A-Za-z_][A-Za-z_0-9]*/)) {
    text = substr(text, RSTART, RLENGTH)
    gsub(/[( *]/, "", text)
    return text
  }
  gsub(/\[[^]]*\]/, "", text)
  match(text, /[A-Za-z_0-9]+[ ]*$/)
  return trim(substr(text, RSTART))
}

# Splits at the commas that are not inside brackets.
function parameter_names(text,    i, c, depth, part, names, name) {
  depth = 0
  part = names = ""
  text = text ","
  for (i = 1; i <= length(text); i++) {
    c = substr(text, i, 1)
    if (c == "(")
      depth++
    else if (c == ")")
      depth--
    if (c == "," && depth == 0) {
      name = parameter_name(part)
      if (name != "")
        names = names (names == "" ? "" : ",") name
      part = ""
    } else {
      part = part c
    }
  }
  return names
}

# What stands between the first bracket and the one that closes it.
function inside(text,    i, c, depth) {
  depth = 0
  for (i = 1; i <= length(text); i++) {
    c = substr(text, i, 1)
    if (c == "(")
      depth++
    else if (c == ")" && --depth == 0)
      return substr(text, 2, i - 2)
  }
  return text
}

function finish(    marks, name, ret, rest) {
  gsub(/\/\*([^*]|\*[^\/])*\*\//, " ", proto)
  gsub(/[ \t]+/, " ", proto)
  marks = ""
  while (match(proto, /FLUV_[A-Z][A-Z_]*(\([^()]*\))?/)) {
    marks = marks (marks == "" ? "" : " ") substr(proto, RSTART, RLENGTH)
    proto = substr(proto, 1, RSTART - 1) substr(proto, RSTART + RLENGTH)
  }
  if (match(proto, /fluv_[a-z_0-9]+[ ]*\)?[ ]*\(/)) {
    name = substr(proto, RSTART, RLENGTH)
    ret = substr(proto, 1, RSTART - 1)
    rest = substr(proto, RSTART + RLENGTH - 1)
    gsub(/[ ()]/, "", name)
    gsub(/\(/, "", ret)
    printf "%s\t%d\t%s\t%s\t%s\t%s\t%s\n", FILENAME, start, name, trim(ret),
           marks, parameter_names(inside(rest)), comment
  } else {
    printf "%s:%d: not a prototype:%s\n", FILENAME, start, proto >"/dev/stderr"
    failed = 1
  }
  proto = comment = ""
}

FNR == 1 {
  proto = comment = ""
  in_comment = in_proto = 0
}

in_proto {
  proto = proto " " $0
  if (/;/) {
    in_proto = 0
    finish()
  }
  next
}

in_comment {
  comment = comment "\001" $0
  if (/\*\//)
    in_comment = 0
  next
}

/^\/\*\*/ {
  comment = $0
  in_comment = !/\*\//
  next
}

/^FLUV_EXTERN/ {
  start = FNR
  proto = $0
  if (/;/)
    finish()
  else
    in_proto = 1
  next
}

{ comment = "" }

END { exit failed }
