import ShardKit
import TextKit

/// A passage that a document shares with a question's text.
struct FoundPassage: Codable, Equatable {
  /// The number of the question's text.
  var text: Int
  /// Letters of that text.
  var from: Int
  var to: Int
  /// Bytes of the document, with the answer where the question needed one.
  var start: Int
  var end: Int
  /// The document's own words there, shortened.
  var shown: String
}

/// The content of a line of `matches`.
struct MatchedDocument: Codable, Equatable {
  /// Of its file, from 0.
  var row: Int
  var id: String
  var matches: [FoundPassage]
}

/// Searches documents for the passages of an index.
struct DocumentSearch: ~Copyable {
  let index: PassageIndex
  /// Letters between a short question and its answer.
  let answerDistance: Int
  private var letters = LetterText()
  private static let shownCharacters = 300

  init(index: PassageIndex, answerDistance: Int) {
    self.index = index
    self.answerDistance = answerDistance
  }

  mutating func matches(in text: [UInt8]) -> [FoundPassage] {
    text.withUnsafeBufferPointer { bytes in
      letters.fold(bytes)
      let found = index.matches(in: letters.letters)
      guard !found.isEmpty else { return [] }
      let places = letters.places(bytes)
      return found.compactMap { match in
        guard let range = range(match) else { return nil }
        let start = places[range.lowerBound].lowerBound, end = places[range.upperBound - 1].upperBound
        return FoundPassage(
          text: match.text, from: match.range.lowerBound, to: match.range.upperBound, start: start, end: end,
          shown: Self.shown(bytes, start..<end))
      }
    }
  }

  /// The letters that a match takes, with an answer if it needs one; nil if none is near.
  private func range(_ match: PassageIndex.Match) -> Range<Int>? {
    let range = match.place..<(match.place + match.range.count)
    let answers = index.answers(of: match.text)
    guard !answers.isEmpty else { return range }
    let after = range.upperBound..<min(letters.letters.count, range.upperBound + answerDistance)
    let before = max(0, range.lowerBound - answerDistance)..<range.lowerBound
    for answer in answers {
      for part in [after, before] {
        if let found = place(of: answer, in: part) {
          return min(range.lowerBound, found.lowerBound)..<max(range.upperBound, found.upperBound)
        }
      }
    }
    return nil
  }

  private func place(of answer: UnsafeBufferPointer<UInt32>, in part: Range<Int>) -> Range<Int>? {
    guard answer.count <= part.count else { return nil }
    for start in part.lowerBound...(part.upperBound - answer.count)
    where UnsafeBufferPointer(rebasing: letters.letters[start..<(start + answer.count)]).elementsEqual(answer) {
      return start..<(start + answer.count)
    }
    return nil
  }

  private static func shown(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> String {
    let words = String(decoding: text[range], as: UTF8.self)
    return words.count > shownCharacters ? words.prefix(shownCharacters) + "…" : words
  }
}
