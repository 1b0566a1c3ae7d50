// TrainerCore
