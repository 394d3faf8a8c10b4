"""Lesson 05: learning rates and AdamW, as fine-tuning and pre-training use them.

A recipe is any object with the attributes learning_rate (the peak), warmup_share (of all steps), weight_decay and
clip_norm.
"""

from collections.abc import Sequence

import keras

from helpers import runtime

NO_DECAY = ("bias", "gamma", "beta")  # biases, and the scale and shift of layer normalisation


def make_schedule(recipe, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Step -> learning rate: rises from 0 over the warm-up, then falls to 0 as a cosine.

    `steps` is the number of batches of the whole training.
    """
    warmup_steps = max(1, round(recipe.warmup_share * steps))
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=recipe.learning_rate,
        warmup_steps=warmup_steps,
        decay_steps=max(1, steps - warmup_steps),
    )


@keras.saving.register_keras_serializable("course")  # so that a saved model finds it again
class FusedAdamW(keras.optimizers.AdamW):
    """AdamW that reads and writes each weight in few passes, for TensorFlow without XLA; elsewhere it is Keras's own.

    Keras writes a step as a dozen operations, and each of them goes over all weights. Here one kernel of TensorFlow does
    Adam's part, and the gradients' norm takes one pass. The variables are those of `keras.optimizers.AdamW`, so a state
    of one fits the other, and the weights agree up to rounding. Settings that the course does not use, and a training on
    several devices, are left to Keras.
    """

    def _backend_apply_gradients(self, grads, trainable_variables):
        """Clip, decay and update (Keras calls this with the gradients that are not None)."""
        import tensorflow as tf

        settings = [self.gradient_accumulation_steps, self.use_ema, self.amsgrad, self.clipnorm, self.clipvalue]
        dtypes = {variable.dtype for variable in trainable_variables}
        if any(settings) or not self.global_clipnorm or dtypes != {"float32"} or tf.distribute.has_strategy():
            return super()._backend_apply_gradients(grads, trainable_variables)
        rate, step = tf.cast(self.learning_rate, "float32"), tf.cast(self.iterations.value + 1, "float32")
        powers = {"beta1_power": tf.pow(self.beta_1, step), "beta2_power": tf.pow(self.beta_2, step)}
        constants = {"beta1": self.beta_1, "beta2": self.beta_2, "epsilon": self.epsilon}
        clipped, _ = tf.clip_by_global_norm(grads, self.global_clipnorm)
        for gradient, variable in zip(map(tf.convert_to_tensor, clipped), trainable_variables, strict=True):
            weight, index = variable.value, self._get_variable_index(variable)
            # A weight decays when its gradient is there: the backward pass may still read it before, and then
            # TensorFlow would copy it.
            with tf.control_dependencies([gradient]):
                if self._use_weight_decay(variable):
                    weight.assign_sub(weight * (rate * self.weight_decay))
            moments = {"m": self._momentums[index].value.handle, "v": self._velocities[index].value.handle}
            tf.raw_ops.ResourceApplyAdam(var=weight.handle, **moments, **powers, lr=rate, **constants, grad=gradient)


def make_optimizer(recipe, steps: int, variables: Sequence) -> keras.optimizers.Optimizer:
    """AdamW (Loshchilov and Hutter, 2019) with the rates of `make_schedule`, for these variables.

    Gradients are clipped by their common norm; the weights named in NO_DECAY do not decay. Under mixed_float16 the loss
    is scaled, since small gradients would be 0 in 16 bits (Micikevicius et al., 2018, "Mixed precision training").
    """
    fused = keras.backend.backend() == "tensorflow" and not runtime.find_device(keras.backend.backend()).compiles
    adamw = FusedAdamW if fused else keras.optimizers.AdamW
    schedule = make_schedule(recipe, steps)
    optimizer = adamw(schedule, weight_decay=recipe.weight_decay, global_clipnorm=recipe.clip_norm)
    optimizer.exclude_from_weight_decay(var_list=[v for v in variables if v.name in NO_DECAY])
    if keras.config.dtype_policy().name == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer
