/// ". Did you mean 'x'?" with the closest known name, or the list of names if none is close.
public func suggestion(for name: String, among known: [String]) -> String {
  // With thousands of names, only the first are considered.
  let distances = known.prefix(256).map { ($0, editDistance(name, $0)) }
  guard let near = distances.min(by: { $0.1 < $1.1 }) else { return "" }
  if near.1 <= max(2, name.unicodeScalars.count / 3) { return ". Did you mean '\(near.0)'?" }
  return ". Known: \(known.prefix(20).joined(separator: ", "))"
}

/// Whether a name is almost another one: one letter of it differs, or two of a longer name.
func isSlip(_ name: String, for known: String) -> Bool {
  let distance = editDistance(name, known)
  return distance > 0 && distance <= (name.unicodeScalars.count < 8 ? 1 : 2) && known.unicodeScalars.count > 2
}

/// Levenshtein distance in which a swap of neighbors counts as one edit. O(|a|·|b|).
func editDistance(_ a: String, _ b: String) -> Int {
  let a = Array(a.lowercased().unicodeScalars.prefix(64)), b = Array(b.lowercased().unicodeScalars.prefix(64))
  var older = [Int](repeating: 0, count: b.count + 1)
  var previous = Array(0...b.count)
  for i in 0..<a.count {
    var row = [i + 1]
    for j in 0..<b.count {
      var best = min(previous[j + 1] + 1, row[j] + 1, previous[j] + (a[i] == b[j] ? 0 : 1))
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, older[j - 1] + 1) }
      row.append(best)
    }
    older = previous
    previous = row
  }
  return previous[b.count]
}
