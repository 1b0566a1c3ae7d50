import PipelineKit
import ShardKit

/// For `Stage.namedFiles`: the MeCab dictionary in the folder that the option `mecabDictionary` names.
func dictionaryFiles(_ folder: String?) -> [String: InputFiles] {
  guard let folder, !folder.isEmpty else { return [:] }
  return ["mecabDictionary": InputFiles([FileSystem.realPath(folder)])]
}
