import PipelineKit
import ShardKit

/// The files that `pipeline init` writes.
enum FirstPipeline {
  /// - Parameter python: adds a stage of the user's own, which `script` is.
  static func document(name: String, _ syntax: DocumentSyntax, python: Bool = false) -> String {
    switch syntax {
    case .json: json(name: name, python: python)
    case .yaml: yaml(name: name) + (python ? ownYAML : "")
    }
  }

  private static func yaml(name: String) -> String {
    """
    # A first pipeline: read texts, clean them, drop near-duplicates. Change an option and run again: only what the
    # change affects runs. `pipeline stages` lists all stage kinds, `pipeline stages NAME` its options.
    format: 1
    name: \(JSONValue.string(name).text())
    parameters:
      texts: texts
    stages:
      # Every JSON-lines file in the folder; choose another folder with --set texts=FOLDER.
      read:
        use: documents.read
        options: { files: "${texts}" }

      # Normalizes characters and spaces; documents that become too short are dropped with a reason.
      clean:
        use: text.clean
        inputs: { documents: read }

      # Keeps the longest of each group of near-duplicates; `pipeline trace ID` shows which one.
      dedupe:
        use: dedupe.minhash
        inputs: { documents: clean }

    """
  }

  private static let ownYAML = """

      # A stage of your own: \(scriptName) decides on each document.
      # `python3 \(scriptName) < texts/sample.jsonl` shows what it says.
      own:
        use: command.documents
        inputs: { documents: dedupe }
        options: { command: [python3, \(scriptName)], files: \(scriptName) }

    """

  private static func json(name: String, python: Bool) -> String {
    let own = """
      ,
          "own": {
            "description": "A stage of your own: \(scriptName) decides on each document. `python3 \(scriptName) < \
      texts/sample.jsonl` shows what it says.",
            "use": "command.documents",
            "inputs": { "documents": "dedupe" },
            "options": { "command": ["python3", "\(scriptName)"], "files": "\(scriptName)" }
          }
      """
    return """
      {
        "format": 1,
        "name": \(JSONValue.string(name).text()),
        "description": "A first pipeline: read texts, clean them, drop near-duplicates. Change an option and run again: \
      only what the change affects runs. `pipeline stages` lists all stage kinds, `pipeline stages NAME` its options.",
        "parameters": { "texts": "texts" },
        "stages": {
          "read": {
            "description": "Every JSON-lines file in the folder; choose another folder with --set texts=FOLDER.",
            "use": "documents.read",
            "options": { "files": "${texts}" }
          },
          "clean": {
            "description": "Normalizes characters and spaces; documents that become too short are dropped with a reason.",
            "use": "text.clean",
            "inputs": { "documents": "read" }
          },
          "dedupe": {
            "description": "Keeps the longest of each group of near-duplicates; `pipeline trace ID` shows which one.",
            "use": "dedupe.minhash",
            "inputs": { "documents": "clean" }
          }\(python ? own : "")
        }
      }

      """
  }

  static let scriptName = "filter.py"

  /// A stage in Python.
  static let script = """
    \"""Keeps texts of which a fifth is kana or more, and notes how much it is in the metadata.\"""
    from pipeline_stage import Drop, documents, metric


    @documents
    def stage(document):
        kana = sum("ぁ" <= character <= "ヿ" for character in document.text)
        share = kana / max(1, len(document.text))
        metric("kana", kana)
        if share < 0.2:
            return Drop("few-kana", share, 0.2)
        document.metadata["kana"] = round(share, 3)

    """

  /// Sample texts, two of them near-duplicates.
  static var sample: [UInt8] {
    let texts = [
      "川沿いの古い水車小屋では、今も毎朝パンが焼かれている。粉は裏手の畑で育てた小麦を挽いたもので、香りは橋の向こうまで届く。",
      "川沿いの古い水車小屋では、今も毎朝パンが焼かれている。粉は裏手の畑で育てた小麦を挽いたもので、香りは橋の向こうまで届いた。",
      "駅前の小さな図書室には、町の人が読み終えた本を置いていく棚がある。好きな一冊を借りて、いつ返してもよいことになっている。",
      "The lighthouse keeper wrote down the weather every evening for forty years. His notebooks fill a whole shelf of "
        + "the harbour office, and fishermen still open them before a long trip.",
      "雪が降る前の晩、山の家では保存食の瓶を数える。梅、味噌、干した茸、それに去年の蜂蜜がまだ少し残っていた。",
    ]
    var out: [UInt8] = []
    for (number, text) in texts.enumerated() {
      Document(id: "sample/\(number + 1)", text: text, source: "sample").append(to: &out)
    }
    return out
  }
}
