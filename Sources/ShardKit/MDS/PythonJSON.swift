extension JSONValue {
  /// The bytes of Python's `json.dumps(value, sort_keys=True)`: separated by `", "` and `": "`, ASCII only.
  ///
  /// An MDS shard's header contains such a text, so that equal settings give equal bytes in every implementation.
  func pythonText() -> String {
    var out = ""
    appendPython(to: &out)
    return out
  }

  private func appendPython(to out: inout String) {
    switch self {
    case .array(let nodes):
      out += "["
      for (i, node) in nodes.enumerated() {
        if i > 0 { out += ", " }
        node.value.appendPython(to: &out)
      }
      out += "]"
    case .object(let members):
      out += "{"
      let sorted = members.sorted { $0.key.unicodeScalars.lexicographicallyPrecedes($1.key.unicodeScalars) }
      for (i, member) in sorted.enumerated() {
        if i > 0 { out += ", " }
        Self.appendPython(string: member.key, to: &out)
        out += ": "
        member.value.appendPython(to: &out)
      }
      out += "}"
    case .string(let string): Self.appendPython(string: string, to: &out)
    default: out += text()
    }
  }

  private static func appendPython(string: String, to out: inout String) {
    out += "\""
    for unit in string.utf16 {
      switch unit {
      case 0x22: out += "\\\""
      case 0x5C: out += "\\\\"
      case 0x0A: out += "\\n"
      case 0x0D: out += "\\r"
      case 0x09: out += "\\t"
      case 0x08: out += "\\b"
      case 0x0C: out += "\\f"
      case 0x20...0x7E: out.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
      default: out += "\\u" + padded(unit, 4, radix: 16)
      }
    }
    out += "\""
  }
}
