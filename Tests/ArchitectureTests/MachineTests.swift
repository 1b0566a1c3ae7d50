import Testing

/// The same bytes on every machine: what the toolchain, the system's ICU or the C locale say of characters changes with
/// their versions, so texts are read by the tables of `UnicodeData`.
@Suite struct MachineTests {
  /// What asks them, and the files that may: there, only ASCII counts.
  private static let banned: [(pattern: String, why: String, allowed: Set<String>)] = [
    (
      #"\.properties\."#, "use ScalarProperties or UnicodeFacts",
      ["Sources/TrainerCore/Watch/Prometheus.swift"]
    ),
    (#"import CICU"#, "use NFKC", ["Sources/TextKit/Unicode/CharacterEncoding.swift"]),
    (#"\b(towlower|towupper|isw[a-z]+|setlocale|strcoll|wcwidth|mbrtowc)\("#, "the C locale differs by machine", []),
    (#"import (Foundation|ICU|_StringProcessing)\b"#, "its tables are the system's", []),
    (#"\b(decomposedString|precomposedString|localizedLowercase|folding\(options)"#, "use NFKC", []),
  ]

  @Test func sourcesAskNoTablesButTheirOwn() throws {
    let files = try SourceTree().swift.filter { $0.target != nil }
    for (pattern, why, allowed) in Self.banned {
      let regex = try Regex(pattern)
      for file in files where !allowed.contains(file.path) {
        for (number, line) in file.lines.enumerated() {
          #expect(line.firstMatch(of: regex) == nil, "\(file.path):\(number + 1): \(why)")
        }
      }
    }
  }

  /// TextKit reads texts; `String` and `Character` ask the toolchain there.
  @Test func textKitIsBytes() throws {
    let regex = try Regex(
      #"\.(lowercased|uppercased)\(\)|\.is(Letter|Number|Whitespace|Punctuation|Lowercase|Uppercase)\b"#)
    for file in try SourceTree().swift where file.target == "TextKit" {
      for (number, line) in file.lines.enumerated() {
        #expect(line.firstMatch(of: regex) == nil, "\(file.path):\(number + 1): use UnicodeFacts or ScalarProperties")
      }
    }
  }

  /// Versions of libraries that decide about texts stand in the fingerprints of the tasks that ask them.
  @Test func stagesThatAskLibrariesNameTheirVersions() throws {
    let needed = [
      "Sources/Stages/Filter/FilterLanguage.swift": "detectorVersion",
      "Sources/Stages/Filter/QualityMeasuring.swift": "lz4Version",
    ]
    let files = try SourceTree().swift
    for (path, name) in needed {
      let file = try #require(files.first { $0.path == path })
      #expect(file.lines.contains { $0.contains(name) }, "\(path) does not name \(name)")
    }
  }

  /// Every stage that cuts words with the dictionary of its options names MeCab and what that holds in its fingerprints.
  @Test func stagesThatCutWordsNameTheirDictionary() throws {
    let names = [
      "wordsIdentity(", "WordReader.identity(", "dictionaryIdentity(", "compute.modelTasks(", "prediction.tasks(",
    ]
    // It takes down which dictionary a model was made with, and cuts no words.
    let takesItDown = "Sources/Stages/HuggingFace/HuggingFaceRead.swift"
    let users = try SourceTree().swift.filter { file in
      file.target == "Stages" && file.path != takesItDown
        && file.lines.contains {
          ["options.mecabDictionary", "compute.mecabDictionary", "(mecabDictionary)"].contains(where: $0.contains)
        }
    }
    #expect(users.count >= 8)
    for file in users {
      #expect(
        file.lines.contains { line in names.contains { line.contains($0) } },
        "\(file.path): its tasks' payloads lack TokenizerInput.wordsIdentity")
    }
  }
}
