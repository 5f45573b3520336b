import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.record.internal.BaseRecords;
import org.apache.kafka.common.record.internal.MemoryRecords;

/**
 * A message as text: {@code {name=value,..}} with every field of the class in the schema's order, also those that the version does not
 * have, so that their defaults are seen. Strings stand in quotes as they are; bytes and ids are hexadecimal, doubles the bits of theirs.
 */
final class Values {
    private static final Map<Class<?>, Field[]> FIELDS = new HashMap<>();

    private Values() {
    }

    static String text(Message message) throws IllegalAccessException {
        StringBuilder text = new StringBuilder();
        print(message, text);
        return text.toString();
    }

    private static void print(Object value, StringBuilder text) throws IllegalAccessException {
        if (value instanceof Message) {
            printStruct(value, text);
        } else if (value instanceof Iterable) {
            String separator = "";
            text.append('[');
            for (Object item : (Iterable<?>) value) {
                text.append(separator);
                print(item, text);
                separator = ",";
            }
            text.append(']');
        } else if (value instanceof String) {
            text.append('"').append(value).append('"');
        } else if (value instanceof byte[]) {
            printBytes(ByteBuffer.wrap((byte[]) value), text);
        } else if (value instanceof ByteBuffer) {
            printBytes((ByteBuffer) value, text);
        } else if (value instanceof BaseRecords) {
            printBytes(((MemoryRecords) value).buffer(), text);
        } else if (value instanceof Uuid) {
            Uuid id = (Uuid) value;
            HexFormat hex = HexFormat.of();
            text.append(hex.toHexDigits(id.getMostSignificantBits())).append(hex.toHexDigits(id.getLeastSignificantBits()));
        } else if (value instanceof Double) {
            text.append(HexFormat.of().toHexDigits(Double.doubleToRawLongBits((Double) value)));
        } else {
            // Numbers, truth values and null.
            text.append(value);
        }
    }

    private static void printStruct(Object struct, StringBuilder text) throws IllegalAccessException {
        String separator = "{";
        for (Field field : fields(struct.getClass())) {
            text.append(separator).append(field.getName()).append('=');
            print(field.get(struct), text);
            separator = ",";
        }
        text.append(separator.equals("{") ? "{}" : "}");
    }

    private static void printBytes(ByteBuffer bytes, StringBuilder text) {
        ByteBuffer own = bytes.duplicate();
        byte[] copy = new byte[own.remaining()];
        own.get(copy);
        text.append('#').append(HexFormat.of().formatHex(copy));
    }

    private static Field[] fields(Class<?> of) {
        return FIELDS.computeIfAbsent(of, Values::declaredFields);
    }

    /** Without what is not of the schema: the tagged fields that were not known, and the links between elements of a collection. */
    private static Field[] declaredFields(Class<?> of) {
        List<Field> fields = new ArrayList<>();
        for (Field field : of.getDeclaredFields()) {
            String name = field.getName();
            boolean link = field.getType() == int.class && (name.equals("next") || name.equals("prev"));
            if (!Modifier.isStatic(field.getModifiers()) && !name.equals("_unknownTaggedFields") && !link) {
                field.setAccessible(true);
                fields.add(field);
            }
        }
        return fields.toArray(new Field[0]);
    }
}
