import ShardKit

/// Words in URLs: whole words, words of which several are needed, and parts of words.
struct URLWords {
  private let words: Set<String>
  private let soft: Set<String>
  private let parts: [String]
  private let minimumSoft: Int

  init(words: [String], soft: [String], minimumSoft: Int, parts: [String]) {
    self.words = Set(words.map { $0.lowercased() })
    self.soft = Set(soft.map { $0.lowercased() })
    self.parts = parts.map { $0.lowercased() }.filter { !$0.isEmpty }
    self.minimumSoft = minimumSoft
  }

  var isEmpty: Bool { words.isEmpty && soft.isEmpty && parts.isEmpty }

  /// What is found first: the reason's name and the word; nil for none.
  func find(_ url: String) -> (reason: String, words: String)? {
    guard !isEmpty else { return nil }
    let text = String(decoding: PercentEncoding.decode(url), as: UTF8.self).lowercased()
    if let part = parts.first(where: { text.contains($0) }) { return ("url-part", part) }
    guard !words.isEmpty || !soft.isEmpty else { return nil }
    var found: [String] = []
    for token in text.split(whereSeparator: { !$0.isLetter && !$0.isNumber }) {
      let word = String(token)
      if words.contains(word) { return ("url-word", word) }
      if soft.contains(word), !found.contains(word) { found.append(word) }
    }
    return found.count >= minimumSoft ? ("url-soft-words", found.joined(separator: ", ")) : nil
  }
}
